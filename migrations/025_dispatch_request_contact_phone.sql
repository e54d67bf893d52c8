-- dbm: module dispatch
-- dbm: unless column dispatch_request.contact_phone

ALTER TABLE dispatch_request ADD COLUMN contact_phone VARCHAR(30);
