-- dbm: module account

DROP TABLE account;
