-- dbm: module sales
-- dbm: unless table customer

CREATE TABLE customer (
    id ${identity},
    name VARCHAR(200) NOT NULL,
    email VARCHAR(200),
    phone VARCHAR(30),
    created_at ${timestamp} DEFAULT CURRENT_TIMESTAMP
);
