-- dbm: module core

DROP TABLE seeded_row;
