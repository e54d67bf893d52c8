-- dbm: module purchasing

DROP TABLE purchase_order;
