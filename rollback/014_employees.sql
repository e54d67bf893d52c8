-- dbm: module hr

DROP TABLE employees;
