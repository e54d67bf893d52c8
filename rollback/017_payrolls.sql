-- dbm: module hr

DROP TABLE payrolls;
