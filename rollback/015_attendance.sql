-- dbm: module hr

DROP TABLE attendance;
