-- dbm: module sales

DROP TABLE sales_order;
