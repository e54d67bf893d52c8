-- dbm: module sales

INSERT INTO seeded_row (table_name, row_key)
SELECT 'showroom_product', 'SOFA-3S'
FROM (SELECT 1 AS one) AS source
WHERE NOT EXISTS (SELECT 1 FROM showroom_product WHERE sku = 'SOFA-3S');

INSERT INTO showroom_product (sku, name, price, stock)
SELECT 'SOFA-3S', 'Three-seat sofa', 1299.00, 8
FROM seeded_row
WHERE table_name = 'showroom_product' AND row_key = 'SOFA-3S';

INSERT INTO seeded_row (table_name, row_key)
SELECT 'showroom_product', 'DESK-OAK'
FROM (SELECT 1 AS one) AS source
WHERE NOT EXISTS (SELECT 1 FROM showroom_product WHERE sku = 'DESK-OAK');

INSERT INTO showroom_product (sku, name, price, stock)
SELECT 'DESK-OAK', 'Oak desk', 749.50, 15
FROM seeded_row
WHERE table_name = 'showroom_product' AND row_key = 'DESK-OAK';

INSERT INTO seeded_row (table_name, row_key)
SELECT 'showroom_product', 'LAMP-ARC'
FROM (SELECT 1 AS one) AS source
WHERE NOT EXISTS (SELECT 1 FROM showroom_product WHERE sku = 'LAMP-ARC');

INSERT INTO showroom_product (sku, name, price, stock)
SELECT 'LAMP-ARC', 'Arc floor lamp', 189.90, 40
FROM seeded_row
WHERE table_name = 'showroom_product' AND row_key = 'LAMP-ARC';

INSERT INTO seeded_row (table_name, row_key)
SELECT 'showroom_product', 'CHAIR-ERG'
FROM (SELECT 1 AS one) AS source
WHERE NOT EXISTS (SELECT 1 FROM showroom_product WHERE sku = 'CHAIR-ERG');

INSERT INTO showroom_product (sku, name, price, stock)
SELECT 'CHAIR-ERG', 'Ergonomic chair', 459.00, 25
FROM seeded_row
WHERE table_name = 'showroom_product' AND row_key = 'CHAIR-ERG';

-- dbm: verify
SELECT count(*) = 4 FROM showroom_product WHERE sku IN ('SOFA-3S', 'DESK-OAK', 'LAMP-ARC', 'CHAIR-ERG');
