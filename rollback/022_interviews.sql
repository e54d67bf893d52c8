-- dbm: module hr

DROP TABLE interviews;
