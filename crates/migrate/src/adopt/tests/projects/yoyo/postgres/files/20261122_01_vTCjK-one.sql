-- one
-- depends: 

CREATE TABLE one (id int PRIMARY KEY);
