-- migrate:up
CREATE TABLE one (id int PRIMARY KEY);

-- migrate:down
DROP TABLE one;
