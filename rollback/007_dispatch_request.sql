-- dbm: module dispatch

DROP TABLE dispatch_request;
