-- dbm: module sales

DROP TABLE customer;
