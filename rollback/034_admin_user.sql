-- dbm: module core

DELETE FROM ${user} WHERE username IN (SELECT row_key FROM seeded_row WHERE table_name = 'user');
DELETE FROM seeded_row WHERE table_name = 'user';
