-- dbm: module core
-- dbm: unless table seeded_row

-- Which rows the migrations put in themselves, so that their rollbacks take out those and no others.
CREATE TABLE seeded_row (
    table_name VARCHAR(63) NOT NULL,
    row_key VARCHAR(100) NOT NULL,
    PRIMARY KEY (table_name, row_key)
);
