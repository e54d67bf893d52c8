-- dbm: module dispatch
-- dbm: unless column dispatch_request.scheduled_at

ALTER TABLE dispatch_request ADD COLUMN scheduled_at ${timestamp};
