-- dbm: module sales
-- dbm: unless table sales_order

CREATE TABLE sales_order (
    id ${identity},
    order_number VARCHAR(50) NOT NULL,
    customer_id BIGINT,
    showroom_product_id BIGINT NOT NULL,
    quantity INTEGER DEFAULT 1 NOT NULL,
    status VARCHAR(30) DEFAULT 'open' NOT NULL,
    ordered_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sales_order_order_number_key UNIQUE (order_number),
    CONSTRAINT sales_order_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer (id),
    CONSTRAINT sales_order_showroom_product_id_fkey FOREIGN KEY (showroom_product_id) REFERENCES showroom_product (id)
);
