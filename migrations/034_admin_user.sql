-- dbm: module core
-- The password is that of the environment variable ADMIN_PASSWORD. Where it is not set, a random
-- one is made and shown once on the terminal; no log has it.

INSERT INTO seeded_row (table_name, row_key)
SELECT 'user', 'admin'
FROM (SELECT 1 AS one) AS source
WHERE NOT EXISTS (SELECT 1 FROM ${user} WHERE username = 'admin');

INSERT INTO ${user} (username, email, password_hash, role)
SELECT 'admin', 'admin@example.com', '${password:argon2id:ADMIN_PASSWORD:-generate}', 'admin'
FROM seeded_row
WHERE table_name = 'user' AND row_key = 'admin';

-- dbm: verify
SELECT count(*) = 1 FROM ${user} WHERE username = 'admin';
