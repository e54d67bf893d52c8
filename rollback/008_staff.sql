-- dbm: module staff

DROP TABLE staff;
