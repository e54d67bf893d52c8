-- dbm: module sales
-- dbm: unless table showroom_product

CREATE TABLE showroom_product (
    id ${identity},
    sku VARCHAR(50) NOT NULL,
    name VARCHAR(200) NOT NULL,
    price NUMERIC(12, 2) NOT NULL,
    stock INTEGER DEFAULT 0 NOT NULL,
    created_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT showroom_product_sku_key UNIQUE (sku),
    CONSTRAINT showroom_product_price_check CHECK (price >= 0)
);
