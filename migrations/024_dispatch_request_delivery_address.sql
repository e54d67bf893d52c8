-- dbm: module dispatch
-- dbm: unless column dispatch_request.delivery_address

ALTER TABLE dispatch_request ADD COLUMN delivery_address VARCHAR(300);
