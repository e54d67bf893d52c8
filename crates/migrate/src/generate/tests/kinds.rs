//! Kinds of objects that the random schemas lack, each in several shapes, of which each becomes the next one.

use super::*;

/// What there is of one kind, in the shapes that it may have; an empty one is where it is not.
type Shapes = &'static [&'static str];

const POSTGRES: &[Shapes] = &[
    &[
        "CREATE DOMAIN price AS numeric(8,2) CHECK (VALUE >= 0); CREATE TABLE priced (id int PRIMARY KEY, p price);",
        "CREATE TABLE priced (id int PRIMARY KEY, p numeric(8,2));",
        "",
    ],
    &[
        "CREATE TYPE state AS ENUM ('new', 'old'); CREATE TABLE thing (id int PRIMARY KEY, s state DEFAULT 'new' NOT NULL, CHECK (s <> 'old' OR id > 1));
         CREATE INDEX thing_new ON thing (id) WHERE s = 'new'; CREATE VIEW new_things AS SELECT id FROM thing WHERE s = 'new';",
        "CREATE TYPE state AS ENUM ('new', 'used', 'old'); CREATE TABLE thing (id int PRIMARY KEY, s state DEFAULT 'used' NOT NULL, CONSTRAINT used CHECK (s <> 'used'));
         CREATE INDEX thing_new ON thing (id) WHERE s = 'used'; CREATE VIEW new_things AS SELECT id FROM thing WHERE s = 'used';",
        "CREATE TYPE state AS ENUM ('used', 'new'); CREATE TABLE thing (id int PRIMARY KEY, s state DEFAULT 'new', CONSTRAINT used CHECK (s <> 'used'));
         CREATE INDEX thing_new ON thing (id) WHERE s = 'new'; CREATE VIEW new_things AS SELECT id, s FROM thing;",
        "",
    ],
    &[
        "CREATE TABLE a1 (id int PRIMARY KEY, b int); CREATE TABLE b1 (id int PRIMARY KEY, a int REFERENCES a1 (id));
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id) DEFERRABLE INITIALLY DEFERRED;",
        "CREATE TABLE a1 (id bigint PRIMARY KEY, b bigint); CREATE TABLE b1 (id bigint PRIMARY KEY, a bigint REFERENCES a1 (id) ON DELETE CASCADE);
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id);",
        "",
    ],
    &[
        "CREATE TABLE tree (id int, part int, up int, up_part int, PRIMARY KEY (id, part), FOREIGN KEY (up, up_part) REFERENCES tree (id, part));",
        "CREATE TABLE tree (id int, part int, up int, up_part int, PRIMARY KEY (part, id), FOREIGN KEY (up_part, up) REFERENCES tree (part, id) MATCH FULL);",
        "",
    ],
    &[
        "CREATE TABLE doc (id int PRIMARY KEY, body text, at timestamptz); CREATE INDEX doc_low ON doc (lower(body) text_pattern_ops, at DESC NULLS LAST);
         CREATE UNIQUE INDEX doc_one ON doc (body) INCLUDE (at) WHERE at IS NOT NULL;",
        "CREATE TABLE doc (id int PRIMARY KEY, body text, at timestamptz); CREATE INDEX doc_low ON doc USING hash (body);
         CREATE UNIQUE INDEX doc_one ON doc (body, at); CREATE STATISTICS doc_stat ON id, at FROM doc;",
        "CREATE TABLE doc (id int PRIMARY KEY, body varchar(9), at timestamptz); CREATE INDEX doc_low ON doc USING gin (to_tsvector('english', body));
         CREATE STATISTICS doc_stat (ndistinct) ON id, at FROM doc;",
        "",
    ],
    &[
        "CREATE TABLE room (id int PRIMARY KEY, during tsrange, EXCLUDE USING gist (during WITH &&));",
        "CREATE TABLE room (id int PRIMARY KEY, during tsrange, CONSTRAINT no_two EXCLUDE USING gist (during WITH &&) WHERE (id > 3));",
        "",
    ],
    &[
        "CREATE FUNCTION next_code(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 1';
         CREATE TABLE coded (id int DEFAULT next_code(1) CHECK (next_code(id) > 0), n int GENERATED ALWAYS AS (next_code(7)) STORED);
         CREATE INDEX coded_next ON coded (next_code(id));",
        "CREATE FUNCTION next_code(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 2';
         CREATE TABLE coded (id int DEFAULT next_code(2), n int GENERATED ALWAYS AS (next_code(8)) STORED);",
        "CREATE FUNCTION next_code(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 2'; CREATE TABLE coded (id int, n int);",
        "",
    ],
    &[
        "CREATE TABLE base (id int, a text); CREATE VIEW v1 AS SELECT id, a FROM base; CREATE VIEW v2 AS SELECT a FROM v1;
         CREATE MATERIALIZED VIEW m1 AS SELECT a FROM v2; CREATE UNIQUE INDEX m1_a ON m1 (a); COMMENT ON VIEW v2 IS 'two'; COMMENT ON COLUMN m1.a IS 'it''s';",
        "CREATE TABLE base (id bigint, a varchar(30)); CREATE VIEW v1 AS SELECT id, a FROM base; CREATE VIEW v2 WITH (security_barrier) AS SELECT a FROM v1 WHERE id > 1;
         CREATE MATERIALIZED VIEW m1 AS SELECT a, 1 AS one FROM v2; CREATE INDEX m1_a ON m1 (a);",
        "CREATE TABLE base (id bigint); CREATE VIEW v2 AS SELECT id FROM base; CREATE RECURSIVE VIEW v1 (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM v1 WHERE n < 3;",
        "",
    ],
    &[
        "CREATE SCHEMA shop; CREATE TYPE shop.pair AS (a int, b text); CREATE TABLE shop.kept (id int PRIMARY KEY, p shop.pair);
         CREATE SEQUENCE shop.numbers START 5 MAXVALUE 50 CYCLE; COMMENT ON SCHEMA shop IS 'shop';",
        "CREATE SCHEMA shop; CREATE TYPE shop.pair AS (a int, b text); CREATE TABLE shop.kept (id int PRIMARY KEY, p text);
         CREATE SEQUENCE shop.numbers AS int START 5 MAXVALUE 90 CACHE 3;",
        "",
    ],
    &[
        "CREATE TABLE own (id int PRIMARY KEY, who text); ALTER TABLE own ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON own USING (who = current_user);",
        "CREATE TABLE own (id int PRIMARY KEY, who varchar(9)); ALTER TABLE own ENABLE ROW LEVEL SECURITY; ALTER TABLE own FORCE ROW LEVEL SECURITY;
         CREATE POLICY mine ON own FOR SELECT USING (who = current_user); CREATE POLICY more ON own AS RESTRICTIVE FOR INSERT WITH CHECK (id > 0);",
        "CREATE TABLE own (id int PRIMARY KEY, who varchar(9));",
        "",
    ],
    &[
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TABLE noting (id int, a int);
         CREATE TRIGGER t1 BEFORE UPDATE OF a ON noting FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION noted();
         CREATE CONSTRAINT TRIGGER t2 AFTER INSERT ON noting DEFERRABLE FOR EACH ROW EXECUTE FUNCTION noted();
         ALTER TABLE noting DISABLE TRIGGER t1; CREATE RULE r AS ON DELETE TO noting DO INSTEAD NOTHING;",
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; CREATE TABLE noting (id int, a bigint);
         CREATE TRIGGER t1 BEFORE UPDATE OF a ON noting FOR EACH ROW WHEN (NEW.a > 2) EXECUTE FUNCTION noted();
         CREATE TRIGGER t2 AFTER INSERT ON noting REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION noted();
         CREATE RULE r AS ON DELETE TO noting DO ALSO INSERT INTO noting VALUES (1);",
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; CREATE TABLE noting (id int);",
        "",
    ],
    &[
        "CREATE TABLE log (id int, at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE log1 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE INDEX log_id ON log (id);",
        "CREATE TABLE log (id int, at date NOT NULL, more text) PARTITION BY RANGE (at); CREATE TABLE log1 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE log2 PARTITION OF log DEFAULT; CREATE INDEX log_id ON log (id, at);",
        "",
    ],
    &[
        "CREATE UNLOGGED TABLE shaped (id int GENERATED ALWAYS AS IDENTITY, a text COLLATE \"C\", b char(3) DEFAULT 'x');
         ALTER TABLE shaped ALTER a SET STORAGE EXTERNAL; ALTER TABLE shaped ALTER a SET STATISTICS 7; COMMENT ON COLUMN shaped.b IS 'b';",
        "CREATE TABLE shaped (id bigint GENERATED BY DEFAULT AS IDENTITY (START 9), a text, b varchar(3) DEFAULT 'y' NOT NULL);
         ALTER TABLE shaped ALTER a SET STATISTICS 9; ALTER TABLE shaped REPLICA IDENTITY FULL;",
        "CREATE TABLE shaped (id int, a int[], b text[] DEFAULT '{}', c interval, d time);",
        "",
    ],
    &[
        "CREATE FUNCTION total(VARIADIC a int[]) RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS 'SELECT 1';
         CREATE PROCEDURE act(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END'; CREATE AGGREGATE summed (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');",
        "CREATE FUNCTION total(VARIADIC a int[]) RETURNS int LANGUAGE sql AS 'SELECT 2';
         CREATE PROCEDURE act(a int, b int DEFAULT 2) LANGUAGE plpgsql AS 'BEGIN NULL; END'; CREATE AGGREGATE summed (int) (SFUNC = int4pl, STYPE = int, INITCOND = '1');",
        "CREATE FUNCTION total(a int) RETURNS TABLE (b int, c text) LANGUAGE sql BEGIN ATOMIC SELECT 1, 'x'; END; COMMENT ON FUNCTION total(int) IS 'all';",
        "",
    ],
    // Another type has its own way to be stored.
    &[
        "CREATE TABLE stored (a text, b text); ALTER TABLE stored ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;",
        "CREATE TABLE stored (a int, b varchar(9)); ALTER TABLE stored ALTER b SET STORAGE EXTERNAL;",
        "CREATE TABLE stored (a text, b text);",
    ],
    &[
        "CREATE TABLE heir_of (id int); CREATE TABLE heir (more int) INHERITS (heir_of);",
        "CREATE TABLE heir_of (id int); CREATE TABLE heir (more int, yet int) INHERITS (heir_of);",
        "",
    ],
];

/// With what MariaDB alone has: sequences, `uuid`, defaults of its own.
const MARIADB: &[Shapes] = &[
    &[
        "CREATE TABLE a1 (id int PRIMARY KEY, b int); CREATE TABLE b1 (id int PRIMARY KEY, a int, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a1 (id));
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id) ON DELETE SET NULL;",
        "CREATE TABLE a1 (id bigint PRIMARY KEY, b bigint); CREATE TABLE b1 (id bigint PRIMARY KEY, a bigint, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a1 (id) ON UPDATE CASCADE);
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id);",
        "",
    ],
    &[
        "CREATE TABLE tree (id int, part int, up int, up_part int, PRIMARY KEY (id, part), CONSTRAINT upward FOREIGN KEY (up, up_part) REFERENCES tree (id, part));",
        "CREATE TABLE tree (id int, part int, up int, up_part int, PRIMARY KEY (part, id), CONSTRAINT upward FOREIGN KEY (up_part, up) REFERENCES tree (part, id));",
        "",
    ],
    &[
        "CREATE TABLE doc (id int AUTO_INCREMENT PRIMARY KEY, body text, title varchar(90), FULLTEXT KEY words (body), KEY start (body(20), title), UNIQUE KEY one (title)) COMMENT='docs';",
        "CREATE TABLE doc (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, body mediumtext, title varchar(90), FULLTEXT KEY words (body, title), KEY start (body(30)), KEY one (title)) ROW_FORMAT=COMPRESSED;",
        "CREATE TABLE doc (id bigint unsigned, body longtext, title varchar(90) INVISIBLE, KEY id (id));",
        "",
    ],
    &[
        "CREATE TABLE told (id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, j longtext CHECK (json_valid(j)), KEY by_v (v));",
        "CREATE TABLE told (id int PRIMARY KEY, a int, v bigint AS (a + 3) VIRTUAL, s int AS (a + 2) VIRTUAL, j longtext CHECK (json_valid(j)), KEY by_v (v), CONSTRAINT big CHECK (a > 3));",
        "CREATE TABLE told (id int PRIMARY KEY, a int, v int, s int, j json);",
        "",
    ],
    &[
        "CREATE TABLE base (id int, a varchar(9)); CREATE VIEW v1 AS SELECT id, a FROM base; CREATE VIEW v2 AS SELECT a FROM v1; CREATE VIEW v0 AS SELECT a FROM v2;",
        "CREATE TABLE base (id bigint, a varchar(30)); CREATE VIEW v1 AS SELECT id, a FROM base WITH CHECK OPTION; CREATE SQL SECURITY INVOKER VIEW v2 AS SELECT a FROM v1 WHERE id > 1;",
        "CREATE TABLE base (id bigint); CREATE VIEW v2 AS SELECT id FROM base; CREATE ALGORITHM=TEMPTABLE VIEW v1 AS SELECT id FROM v2;",
        "",
    ],
    &[
        "CREATE SEQUENCE numbers START 5 INCREMENT 2 MAXVALUE 50 CYCLE; CREATE TABLE counted (id int DEFAULT (nextval(numbers)));",
        "CREATE SEQUENCE numbers START 5 CACHE 3; CREATE TABLE counted (id int DEFAULT (nextval(numbers)), n int);",
        "",
    ],
    &[
        "CREATE TABLE kinds (id int PRIMARY KEY, e enum('a','it''s','c,d') DEFAULT 'a', s set('x','y'), b bit(3) DEFAULT b'101', d decimal(8,2) unsigned zerofill,
         at timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), u uuid DEFAULT uuid(), g point, bin binary(16) DEFAULT 'x');",
        "CREATE TABLE kinds (id int PRIMARY KEY, e enum('a','it''s','c,d','e') DEFAULT 'e', s set('x','y','z') NOT NULL DEFAULT 'x', b bit(9) DEFAULT b'1', d decimal(9,3),
         at timestamp(6) NOT NULL DEFAULT current_timestamp(6), u char(36), g geometry NOT NULL, bin varbinary(16) DEFAULT 'y', SPATIAL KEY place (g));",
        "CREATE TABLE kinds (bin blob DEFAULT ('x'), id smallint unsigned AUTO_INCREMENT UNIQUE, e varchar(20) CHARACTER SET ascii DEFAULT 'it''s; -- x', d double, at datetime NOT NULL DEFAULT (now() + INTERVAL 1 DAY));",
        "",
    ],
    &[
        "CREATE TABLE log (id int, at date NOT NULL, KEY by_at (at)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE);",
        "CREATE TABLE log (id int, at date NOT NULL, n int DEFAULT 3, KEY by_at (at, id)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE);",
        "",
    ],
    &[
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM nothing; CREATE TABLE nothing (id int);",
        "CREATE EVENT nightly ON SCHEDULE EVERY 2 DAY ON COMPLETION PRESERVE DISABLE COMMENT 'x' DO DELETE FROM nothing; CREATE TABLE nothing (id int) COLLATE latin1_bin;",
        "",
    ],
    &[
        "CREATE TABLE `od``d na.me` (`se;l\"ect` int PRIMARY KEY COMMENT 'a;b', `ü` varchar(9) CHARACTER SET latin1 DEFAULT 'é');",
        "CREATE TABLE `od``d na.me` (`ü` varchar(9) CHARACTER SET utf8mb4 DEFAULT 'é\\\\', `se;l\"ect` bigint PRIMARY KEY) DEFAULT CHARSET=latin1;",
        "",
    ],
    // What comes in between is added behind; and each key that stays would keep the table's old size of blocks.
    &[
        "CREATE TABLE many (id int PRIMARY KEY, a int, b int, UNIQUE KEY u2 (b), KEY k2 (b), FULLTEXT KEY words (t), t text, CONSTRAINT c2 CHECK (b > 0)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
         CREATE TABLE of_many (id int, m int, n int, CONSTRAINT f2 FOREIGN KEY (m) REFERENCES many (id));",
        "CREATE TABLE many (id int PRIMARY KEY, a int, b int, UNIQUE KEY u1 (a), UNIQUE KEY u2 (b), KEY k1 (a) KEY_BLOCK_SIZE=2, KEY k2 (b), FULLTEXT KEY words (t), t text, CONSTRAINT c1 CHECK (a > 0),
         CONSTRAINT c2 CHECK (b > 0)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4;
         CREATE TABLE of_many (id int, m int, n int, CONSTRAINT f1 FOREIGN KEY (n) REFERENCES many (id), CONSTRAINT f2 FOREIGN KEY (m) REFERENCES many (id));",
        "CREATE TABLE many (id int PRIMARY KEY, a int, b int, KEY k2 (b), KEY k1 (a), FULLTEXT KEY words (t), t text, CONSTRAINT c2 CHECK (b > 0), CONSTRAINT c1 CHECK (a > 0));
         CREATE TABLE of_many (id int, m int, n int, CONSTRAINT f2 FOREIGN KEY (m) REFERENCES many (id), CONSTRAINT f1 FOREIGN KEY (n) REFERENCES many (id));",
    ],
];

/// With what MySQL alone has, in comments that MariaDB passes over: there the rest of each shape becomes the next.
const MYSQL: &[Shapes] = &[
    &[
        "CREATE TABLE a1 (id int PRIMARY KEY, b int); CREATE TABLE b1 (id int PRIMARY KEY, a int, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a1 (id));
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id) ON DELETE SET NULL;",
        "CREATE TABLE a1 (id bigint PRIMARY KEY, b bigint); CREATE TABLE b1 (id bigint PRIMARY KEY, a bigint, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a1 (id) ON UPDATE CASCADE);
         ALTER TABLE a1 ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b1 (id);",
        "",
    ],
    &[
        "CREATE TABLE doc (id int AUTO_INCREMENT PRIMARY KEY, body text, title varchar(90), j json, FULLTEXT KEY words (body), KEY start (body(20), title DESC), UNIQUE KEY one (title),
         KEY hidden (title) /*!80000 INVISIBLE */ COMMENT 'not yet' /*!80013 , KEY low ((lower(title))) */) COMMENT='docs';",
        "CREATE TABLE doc (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, body mediumtext, title varchar(90), j json, FULLTEXT KEY words (body, title) /*!80000 WITH PARSER ngram */, KEY start (body(30)), KEY one (title),
         KEY hidden (title) /*!80017 , KEY low ((upper(title)), id DESC), KEY many ((CAST(j->'$.tags' AS CHAR(20) ARRAY))) */) ROW_FORMAT=COMPRESSED /*!80000 KEY_BLOCK_SIZE=8 */;",
        "CREATE TABLE doc (id bigint unsigned, body longtext, title varchar(90) INVISIBLE, j json, KEY id (id) /*!80017 , UNIQUE KEY low ((id + 1)), KEY many ((CAST(j->'$.n' AS UNSIGNED ARRAY)), id) */);",
        "",
    ],
    &[
        "CREATE TABLE told (id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, j json, KEY by_v (v), CONSTRAINT off CHECK (a < 9) /*!80016 NOT ENFORCED */);",
        "CREATE TABLE told (id int PRIMARY KEY, a int, v bigint AS (a + 3) VIRTUAL, s int AS (a + 2) VIRTUAL, j json, KEY by_v (v), CONSTRAINT off CHECK (a < 9), CONSTRAINT big CHECK (a > 3));",
        "CREATE TABLE told (id int PRIMARY KEY, a int, v int, s int NOT NULL, j longtext, w varchar(20) AS (concat('x', a, 'it''s')) STORED COMMENT 'w;');",
        "",
    ],
    &[
        "CREATE TABLE base (id int, a varchar(9)); CREATE VIEW v1 AS SELECT id, a FROM base; CREATE VIEW v2 AS SELECT a FROM v1; CREATE VIEW v0 AS SELECT a FROM v2;",
        "CREATE TABLE base (id bigint, a varchar(30)); CREATE VIEW v1 AS SELECT id, a FROM base WITH CHECK OPTION; CREATE SQL SECURITY INVOKER VIEW v2 AS SELECT a FROM v1 WHERE id > 1;",
        "CREATE TABLE base (id bigint); CREATE VIEW v2 AS SELECT id FROM base; CREATE ALGORITHM=TEMPTABLE VIEW v1 (n) AS WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 3) SELECT n FROM c;",
        "",
    ],
    &[
        "CREATE TABLE kinds (id int PRIMARY KEY, e enum('a','it''s','c,d') DEFAULT 'a', s set('x','y'), b bit(3) DEFAULT b'101', d decimal(8,2) unsigned zerofill,
         at timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), u binary(16) /*!80013 DEFAULT (uuid_to_bin('6ccd780c-baba-1026-9564-5b8c656024db')) */, g point /*!80003 SRID 4326 */, bin binary(16) DEFAULT 'x',
         f float(7,2), y year /*!90000 , vec vector(3) */);",
        "CREATE TABLE kinds (id int PRIMARY KEY, e enum('a','it''s','c,d','e') DEFAULT 'e', s set('x','y','z') NOT NULL DEFAULT 'x', b bit(9) DEFAULT b'1', d decimal(9,3),
         at timestamp(6) NOT NULL DEFAULT current_timestamp(6), u char(36), g geometry NOT NULL /*!80003 SRID 0 */, bin varbinary(16) DEFAULT 'y', f double DEFAULT 1e10, y year DEFAULT 2001,
         /*!90000 vec vector(5), */ SPATIAL KEY place (g));",
        "CREATE TABLE kinds (bin blob DEFAULT ('x'), id smallint unsigned AUTO_INCREMENT UNIQUE, e varchar(20) CHARACTER SET ascii DEFAULT 'it''s; -- x', d double,
         at datetime NOT NULL DEFAULT (now() + INTERVAL 1 DAY), j json DEFAULT (json_object('a', 1)), t time(2) DEFAULT '10:11:12.34');",
        "",
    ],
    &[
        "CREATE TABLE cols (a int, b int NOT NULL DEFAULT 7 COMMENT 'b', c varchar(5) COLLATE utf8mb4_bin, d date DEFAULT (curdate()), e int INVISIBLE);",
        "CREATE TABLE cols (d date, c varchar(5) COLLATE utf8mb4_unicode_ci NOT NULL, b int NOT NULL, a bigint DEFAULT -1 COMMENT 'it''s \\\\ a', e int);",
        "CREATE TABLE cols (e int, a bigint DEFAULT 0, b int DEFAULT NULL, f int unsigned DEFAULT '3');",
        "",
    ],
    &[
        "CREATE TABLE log (id int, at date NOT NULL, KEY by_at (at)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE);",
        "CREATE TABLE log (id int, at date NOT NULL, n int DEFAULT 3, KEY by_at (at, id)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN (2024), PARTITION p2 VALUES LESS THAN MAXVALUE);",
        "CREATE TABLE log (id int PRIMARY KEY, at date) COMMENT='PARTITION BY';",
        "CREATE TABLE log (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY HASH (id) PARTITIONS 4;",
    ],
    &[
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM nothing; CREATE TABLE nothing (id int);",
        "CREATE EVENT nightly ON SCHEDULE EVERY 2 DAY ON COMPLETION PRESERVE DISABLE COMMENT 'x' DO DELETE FROM nothing; CREATE TABLE nothing (id int) COLLATE latin1_bin;",
        "CREATE TABLE nothing (id int);\nDELIMITER //\nCREATE EVENT nightly ON SCHEDULE EVERY 1 WEEK STARTS '2036-01-01 00:00:00' DO BEGIN DELETE FROM nothing; DELETE FROM nothing WHERE id = 1; END//\nDELIMITER ;",
        "",
    ],
    &[
        "CREATE TABLE `od``d na.me` (`se;l\"ect` int PRIMARY KEY COMMENT 'a;b', `ü` varchar(9) CHARACTER SET latin1 DEFAULT 'é');",
        "CREATE TABLE `od``d na.me` (`ü` varchar(9) CHARACTER SET utf8mb4 DEFAULT 'é\\\\', `se;l\"ect` bigint PRIMARY KEY) DEFAULT CHARSET=latin1;",
        "",
    ],
    &[
        "CREATE TABLE opts (id int PRIMARY KEY, t varchar(10)) ENGINE=InnoDB STATS_PERSISTENT=1 COMMENT='one' DEFAULT CHARSET=utf8mb4;",
        "CREATE TABLE opts (id int PRIMARY KEY, t varchar(10)) ENGINE=MyISAM DEFAULT CHARSET=latin1 MAX_ROWS=1000 CHECKSUM=1;",
        "CREATE TABLE opts (id int PRIMARY KEY, t varchar(10) CHARACTER SET utf8mb3) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;",
        "",
    ],
    &[
        "DELIMITER //\nCREATE PROCEDURE act(IN a int, OUT b varchar(9)) READS SQL DATA COMMENT 'it''s' BEGIN SELECT 'x;' INTO b; END//\nDELIMITER ;\nCREATE TABLE acted (id int);",
        "CREATE TABLE acted (id int, n int); CREATE PROCEDURE act(INOUT a bigint) SQL SECURITY INVOKER INSERT INTO acted VALUES (a, 1);",
        "",
    ],
    &[
        "CREATE TABLE keyed (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a), UNIQUE KEY u (b));",
        "CREATE TABLE keyed (a int NOT NULL, b int NOT NULL AUTO_INCREMENT, PRIMARY KEY (b), KEY u (a));",
        "CREATE TABLE keyed (a int, b int, UNIQUE KEY u (a, b));",
        "CREATE TABLE keyed (a varchar(20) NOT NULL, b int, PRIMARY KEY (a(5)), KEY u (b));",
    ],
    &[
        "CREATE TABLE hidden (no bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, a int);",
        "CREATE TABLE hidden (a int);",
        "CREATE TABLE hidden (a int, no bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY);",
    ],
    &[
        "CREATE TABLE whole (id int, at int, PRIMARY KEY (id), UNIQUE KEY two (id, at)); CREATE TABLE part (id int, at int, s int AS (at + 1) STORED, CONSTRAINT p1 FOREIGN KEY (id, at) REFERENCES whole (id, at), KEY k (id, at));",
        "CREATE TABLE whole (id int, at int, more int, PRIMARY KEY (id), UNIQUE KEY two (id, at), CHECK (more > 1)); CREATE TABLE part (id int, at int, s int AS (at + 1) STORED, CONSTRAINT p1 FOREIGN KEY (id) REFERENCES whole (id) ON DELETE CASCADE, KEY k (id));",
        "CREATE TABLE whole (id int, PRIMARY KEY (id)); CREATE TABLE part (id int, at int, CONSTRAINT p2 FOREIGN KEY (at) REFERENCES whole (id) ON UPDATE SET NULL);",
    ],
];

const SQLITE: &[Shapes] = &[
    &[
        "CREATE TABLE a1 (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b1 (id)); CREATE TABLE b1 (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a1 (id) ON DELETE CASCADE);",
        "CREATE TABLE a1 (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b1 (id) DEFERRABLE INITIALLY DEFERRED, c TEXT NOT NULL DEFAULT ''); CREATE TABLE b1 (id INTEGER PRIMARY KEY, a INTEGER);",
        "",
    ],
    &[
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, a TEXT) STRICT; CREATE INDEX s_a ON strict_one (a COLLATE NOCASE DESC) WHERE a <> 'x;';",
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, a TEXT, b ANY) STRICT; CREATE UNIQUE INDEX s_a ON strict_one (lower(a), b);",
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, a TEXT) WITHOUT ROWID;",
        "",
    ],
    &[
        "CREATE TABLE base (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT); CREATE VIEW v1 AS SELECT id, a FROM base; CREATE VIEW v2 (x) AS SELECT a FROM v1;
         CREATE TRIGGER into_v1 INSTEAD OF INSERT ON v1 BEGIN INSERT INTO base (a) VALUES (NEW.a); END;",
        "CREATE TABLE base (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT CHECK (a <> ');')); CREATE VIEW v1 AS SELECT id, a FROM base WHERE id > 1; CREATE VIEW v2 (x) AS SELECT a FROM v1;
         CREATE TRIGGER into_v1 INSTEAD OF UPDATE OF a ON v1 WHEN NEW.a > 'x' BEGIN UPDATE base SET a = NEW.a; SELECT CASE WHEN 1 THEN 2 END; END;",
        "CREATE TABLE base (id INTEGER PRIMARY KEY, b TEXT); CREATE VIEW v2 AS SELECT b FROM base;",
        "",
    ],
    &[
        "CREATE TABLE told (id INTEGER PRIMARY KEY, a INT, v INT AS (a + 1), s INT GENERATED ALWAYS AS (a + 2) STORED, CONSTRAINT big CHECK (a > 1));",
        "CREATE TABLE told (id INTEGER PRIMARY KEY, a INT, v INT AS (a + 3) VIRTUAL, s INT, CONSTRAINT big CHECK (a > 2), UNIQUE (a, s) ON CONFLICT IGNORE);",
        "",
    ],
    &[
        "CREATE VIRTUAL TABLE found USING fts5(title, body);",
        "CREATE VIRTUAL TABLE found USING fts5(title, body);",
        "",
    ],
    &[
        "CREATE TABLE [od d] (\"se;lect\" TEXT DEFAULT 'it''s', `b``t` /* why */ INTEGER -- so\n, CHECK (`b``t` IN (1, 2)));",
        "CREATE TABLE [od d] (\"se;lect\" TEXT DEFAULT \"It\", `b``t` INTEGER, CHECK (`b``t` IN (1, 2, 3)));",
        "CREATE TABLE \"od d\" (\"se;lect\" TEXT DEFAULT \"it\", `b``t` INTEGER DEFAULT (abs(-1)), CHECK (`b``t` IN (1, 2, 3)));",
        "",
    ],
    &[
        "CREATE TABLE dated (id INTEGER PRIMARY KEY DESC, at TEXT DEFAULT CURRENT_TIMESTAMP, n NUMERIC(8,2) DEFAULT -1.50, UNIQUE (at));",
        "CREATE TABLE dated (id INTEGER PRIMARY KEY DESC, at TEXT DEFAULT (datetime('now')), n REAL DEFAULT +1.5e3, x BLOB DEFAULT x'00');",
        "",
    ],
];

/// The shapes that exist in a database at once, at a place in the row of them.
fn at(kinds: &[Shapes], place: usize) -> String {
    kinds.iter().map(|shapes| shapes[place % shapes.len()]).collect::<Vec<_>>().join("\n")
}

async fn each_becomes_the_next(engine: Engine, kinds: &[Shapes]) {
    let folder = tempfile::tempdir().unwrap();
    let on = server(engine, folder.path());
    let mut wrong = Vec::new();
    // All of them, where somebody looks for what one alone hides.
    let alone = std::env::var_os("DBM_TEST_ALONE").is_some();
    let mut pairs: Vec<(String, String)> = Vec::new();
    if alone {
        for shapes in kinds {
            let all = shapes.iter().flat_map(|old| shapes.iter().map(move |new| (old, new)));
            pairs.extend(
                all.filter(|(old, new)| old != new).map(|(old, new)| ((*old).to_owned(), (*new).to_owned())),
            );
        }
    } else {
        pairs.extend((0..4).map(|place| (at(kinds, place), at(kinds, place + 1))));
    }
    for (old, new) in pairs {
        // A model without a statement is a mistake.
        let (old, new) = (format!("SELECT 1;\n{old}"), format!("SELECT 1;\n{new}"));
        if let Err(what) = Box::pin(pair(&on, &old, &new)).await {
            wrong.push(format!("{engine}: {what}\n-- there\n{old}\n-- wanted\n{new}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn each_kind_of_sqlite_becomes_the_next() {
    Box::pin(each_becomes_the_next(Engine::Sqlite, SQLITE)).await;
}

#[tokio::test]
async fn each_kind_of_postgres_becomes_the_next() {
    Box::pin(each_becomes_the_next(Engine::Postgres, POSTGRES)).await;
}

#[tokio::test]
async fn each_kind_of_mariadb_becomes_the_next() {
    Box::pin(each_becomes_the_next(Engine::Mysql, MARIADB)).await;
}

#[tokio::test]
async fn each_kind_of_mysql_becomes_the_next() {
    Box::pin(each_becomes_the_next(Engine::Mysql, MYSQL)).await;
}
