-- dbm: module core

DROP TABLE ${user};
