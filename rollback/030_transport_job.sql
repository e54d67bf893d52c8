-- dbm: module fleet

DROP TABLE transport_job;
