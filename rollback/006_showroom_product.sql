-- dbm: module sales

DROP TABLE showroom_product;
