CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 558f438bb8d1

CREATE TABLE one (id int PRIMARY KEY);

INSERT INTO alembic_version (version_num) VALUES ('558f438bb8d1') RETURNING version_num;

-- Running upgrade 558f438bb8d1 -> 00a4480b9f13

CREATE TABLE two (id int, note varchar(20) DEFAULT 'a;b');

CREATE TRIGGER t AFTER INSERT ON two BEGIN UPDATE two SET id = 1; UPDATE two SET id = 2; END;

UPDATE alembic_version SET version_num='00a4480b9f13' WHERE alembic_version.version_num = '558f438bb8d1';

