-- dbm: module gate

DROP TABLE gate_users;
