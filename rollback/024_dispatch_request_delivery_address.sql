-- dbm: module dispatch

ALTER TABLE dispatch_request DROP COLUMN delivery_address;
