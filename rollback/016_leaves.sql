-- dbm: module hr

DROP TABLE leaves;
