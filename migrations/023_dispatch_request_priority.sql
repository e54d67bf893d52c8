-- dbm: module dispatch
-- dbm: unless column dispatch_request.priority

ALTER TABLE dispatch_request ADD COLUMN priority VARCHAR(20) DEFAULT 'normal' NOT NULL;
