-- dbm: module dispatch
-- dbm: unless column dispatch_request.delivered_at

ALTER TABLE dispatch_request ADD COLUMN delivered_at ${timestamp};
