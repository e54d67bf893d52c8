-- dbm: module purchasing
-- dbm: unless table purchase_order

CREATE TABLE purchase_order (
    id ${identity},
    order_number VARCHAR(50) NOT NULL,
    supplier VARCHAR(200) NOT NULL,
    status VARCHAR(30) DEFAULT 'draft' NOT NULL,
    total NUMERIC(12, 2) DEFAULT 0 NOT NULL,
    ordered_by BIGINT,
    created_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT purchase_order_order_number_key UNIQUE (order_number),
    CONSTRAINT purchase_order_ordered_by_fkey FOREIGN KEY (ordered_by) REFERENCES ${user} (id)
);
