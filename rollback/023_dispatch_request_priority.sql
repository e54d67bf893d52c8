-- dbm: module dispatch

ALTER TABLE dispatch_request DROP COLUMN priority;
