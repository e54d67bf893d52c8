-- dbm: module sales

DELETE FROM showroom_product WHERE sku IN (SELECT row_key FROM seeded_row WHERE table_name = 'showroom_product');
DELETE FROM seeded_row WHERE table_name = 'showroom_product';
