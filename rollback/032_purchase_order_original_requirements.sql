-- dbm: module purchasing

ALTER TABLE purchase_order DROP COLUMN original_requirements;
