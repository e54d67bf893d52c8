CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> d4569250d821

CREATE TABLE one (id int PRIMARY KEY);

INSERT INTO alembic_version (version_num) VALUES ('d4569250d821');

-- Running upgrade d4569250d821 -> 634e5f7f89ee

CREATE TABLE two (id int, note varchar(20) DEFAULT 'a;b');

CREATE TRIGGER t BEFORE INSERT ON two FOR EACH ROW BEGIN IF NEW.id > 1 THEN SET NEW.id = 1; END IF; SET NEW.note = CASE NEW.id WHEN 1 THEN NULL ELSE 2 END; END;

UPDATE alembic_version SET version_num='634e5f7f89ee' WHERE alembic_version.version_num = 'd4569250d821';

