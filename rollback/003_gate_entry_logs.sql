-- dbm: module gate

DROP TABLE gate_entry_logs;
