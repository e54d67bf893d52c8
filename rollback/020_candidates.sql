-- dbm: module hr

DROP TABLE candidates;
