-- dbm: module dispatch
-- dbm: unless column dispatch_request.notes

ALTER TABLE dispatch_request ADD COLUMN notes TEXT;
