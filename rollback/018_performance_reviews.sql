-- dbm: module hr

DROP TABLE performance_reviews;
