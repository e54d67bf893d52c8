-- dbm: module gate

DROP TABLE guest_list;
