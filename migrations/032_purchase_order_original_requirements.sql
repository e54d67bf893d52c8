-- dbm: module purchasing
-- dbm: unless column purchase_order.original_requirements

ALTER TABLE purchase_order ADD COLUMN original_requirements TEXT;
