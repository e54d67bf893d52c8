BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> b891233255ce

CREATE TABLE one (id int PRIMARY KEY);

INSERT INTO alembic_version (version_num) VALUES ('b891233255ce') RETURNING alembic_version.version_num;

-- Running upgrade b891233255ce -> 60aa52abaaa2

CREATE TABLE two (id int, note varchar(20) DEFAULT 'a;b');

CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 2; END $$;

UPDATE alembic_version SET version_num='60aa52abaaa2' WHERE alembic_version.version_num = 'b891233255ce';

COMMIT;

