-- dbm: module fleet

DROP TABLE vehicle;
