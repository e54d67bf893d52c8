-- dbm: module dispatch
-- dbm: unless table dispatch_request

CREATE TABLE dispatch_request (
    id ${identity},
    request_number VARCHAR(50) NOT NULL,
    showroom_product_id BIGINT,
    quantity INTEGER NOT NULL,
    status VARCHAR(30) DEFAULT 'open' NOT NULL,
    requested_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT dispatch_request_request_number_key UNIQUE (request_number),
    CONSTRAINT dispatch_request_showroom_product_id_fkey FOREIGN KEY (showroom_product_id) REFERENCES showroom_product (id)
);
