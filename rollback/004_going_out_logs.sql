-- dbm: module gate

DROP TABLE going_out_logs;
