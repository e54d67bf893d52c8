SET NAMES utf8mb4;
CREATE SEQUENCE `se``q` START WITH 5 INCREMENT BY 3 CACHE 1000;
DO NEXTVAL(`se``q`);
CREATE SEQUENCE round START WITH 8 MINVALUE 1 MAXVALUE 10 NOCACHE CYCLE;
DO NEXTVAL(round), NEXTVAL(round), NEXTVAL(round), NEXTVAL(round);
CREATE SEQUENCE spent MAXVALUE 3 NOCACHE;
DO NEXTVAL(spent), NEXTVAL(spent), NEXTVAL(spent);
CREATE SEQUENCE again START WITH 100;
ALTER SEQUENCE again RESTART 5;
CREATE SEQUENCE down_again START WITH -10 INCREMENT BY -1 NOCACHE;
ALTER SEQUENCE down_again RESTART -3;
CREATE SEQUENCE down START WITH -1 INCREMENT BY -1 MINVALUE -100 NOCACHE CYCLE;
CREATE TABLE `odd``"na'me 
ä` (
  id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `co``l "x" \! 'y'` varchar(20) DEFAULT 'it''s\n\\ "q"' COMMENT 'a\nb''c\\"',
  n int DEFAULT (NEXTVAL(`se``q`)),
  at timestamp NOT NULL DEFAULT '2020-06-01 12:00:00',
  UNIQUE KEY `k``1` (`co``l "x" \! 'y'`(5))
) AUTO_INCREMENT = 77 COMMENT = 'AUTO_INCREMENT=5; "x"';
CREATE TABLE customer (id int PRIMARY KEY, name varchar(30) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL);
CREATE TABLE orders (
  id bigint NOT NULL, part int NOT NULL, customer int, total decimal(10,2),
  twice decimal(11,2) AS (total * 2) STORED, thrice decimal(12,2) AS (total * 3) VIRTUAL, hidden int INVISIBLE DEFAULT 3,
  note text, doc json CHECK (json_valid(doc)), place point, u uuid, ip inet6,
  PRIMARY KEY (id, part), KEY by_total (total DESC), FULLTEXT KEY words (note),
  CONSTRAINT `fk``1` FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT positive CHECK (total > 0 AND note <> 'a,\nb')
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
-- Tables that point at each other, and one at itself.
CREATE TABLE a (id int PRIMARY KEY, b int);
CREATE TABLE b (id int PRIMARY KEY, a int, up int, FOREIGN KEY (a) REFERENCES a (id), FOREIGN KEY (up) REFERENCES b (id));
ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b (id);
CREATE TABLE parted (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at))
  (PARTITION old VALUES LESS THAN (2020) COMMENT = 'x', PARTITION new VALUES LESS THAN MAXVALUE);
CREATE TABLE with_history (id int PRIMARY KEY, price int) WITH SYSTEM VERSIONING;
CREATE TABLE with_period (id int, since timestamp(6) GENERATED ALWAYS AS ROW START,
  until timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
CREATE TABLE of_time (id int, s date, e date, PERIOD FOR valid (s, e), UNIQUE (id, valid WITHOUT OVERLAPS));
CREATE TABLE my (id int AUTO_INCREMENT PRIMARY KEY, t tinytext) ENGINE = MyISAM DEFAULT CHARSET = ucs2;
CREATE TABLE ar (id int) ENGINE = Aria TRANSACTIONAL = 1;
CREATE TABLE mem (id int, KEY (id) USING BTREE) ENGINE = MEMORY;
CREATE TABLE both_my (id int AUTO_INCREMENT PRIMARY KEY, t tinytext) ENGINE = MRG_MyISAM UNION = (my) DEFAULT CHARSET = ucs2;
CREATE TABLE log_of_orders (fired varchar(20));
CREATE TABLE dbm_history (number int);
-- Views: one of a view that sorts after it, one that names other databases.
CREATE VIEW z_base AS SELECT id, total AS `to``tal` FROM orders WHERE total > 1 WITH CASCADED CHECK OPTION;
-- Those whose making looks at a view that sorts after them.
CREATE VIEW z_places AS SELECT id, place FROM orders;
CREATE VIEW c_places AS SELECT p.id, ST_X(p.place) AS x FROM z_places p JOIN customer ON customer.id = p.id;
CREATE VIEW b_places AS SELECT x FROM c_places WHERE x > 1;
CREATE VIEW a_checked AS SELECT `to``tal` FROM z_base WHERE id > 0 WITH LOCAL CHECK OPTION;
DELIMITER //
CREATE FUNCTION plus_one(x int) RETURNS int DETERMINISTIC SQL SECURITY INVOKER COMMENT 'it''s; one'
BEGIN
  -- a comment; with 'quotes
  DECLARE y int DEFAULT 1; # another;
  IF x IS NULL THEN RETURN 0; END IF;
  RETURN x + y /* ; */ ;
END//
CREATE PROCEDURE `pro``c`(INOUT q int, IN w varchar(10) CHARACTER SET utf8mb4)
BEGIN
  SELECT ';;', "//", 'ä$$';
  SET q = q + 1;
END
//
CREATE AGGREGATE FUNCTION my_sum(x int) RETURNS int DETERMINISTIC
BEGIN
  DECLARE s int DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s;
  LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP;
END//
DELIMITER ;
CREATE VIEW a_top AS SELECT plus_one(id) AS p, `to``tal` FROM z_base;
CREATE SQL SECURITY INVOKER VIEW beyond AS SELECT c.id, u.user FROM customer c JOIN mysql.user u ON plus_one(c.id) = 2;
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';
CREATE PROCEDURE ansi() SELECT '\', "id" FROM "customer";
CREATE TRIGGER t_ansi AFTER DELETE ON orders FOR EACH ROW INSERT INTO log_of_orders VALUES ('\');
SET sql_mode = 'ORACLE';
DELIMITER //
CREATE OR REPLACE PACKAGE tools AS
  FUNCTION f(x INT) RETURN INT DETERMINISTIC;
END;
//
CREATE OR REPLACE PACKAGE BODY tools AS
  FUNCTION f(x INT) RETURN INT DETERMINISTIC AS BEGIN RETURN x * 2; END;
END;
//
DELIMITER ;
SET sql_mode = DEFAULT;
-- Triggers of one moment, in another order than their names'.
CREATE TRIGGER t_second BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '2');
CREATE TRIGGER t_third BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '3');
CREATE TRIGGER t_zero BEFORE INSERT ON orders FOR EACH ROW PRECEDES t_second SET NEW.note = '0';
DELIMITER $$
CREATE TRIGGER t_body AFTER INSERT ON orders FOR EACH ROW BEGIN
  INSERT INTO log_of_orders VALUES ('it''s; "x"');
END$$
DELIMITER ;
SET time_zone = '+05:00';
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' ENDS '2031-01-01 00:00:00'
  ON COMPLETION PRESERVE COMMENT 'ENABLE; it''s' DO DELETE FROM log_of_orders;
CREATE EVENT `o``ff` ON SCHEDULE AT '2035-05-05 05:05:05' DISABLE DO SELECT 1;
CREATE EVENT on_replicas ON SCHEDULE EVERY 1 HOUR STARTS '2030-01-01 00:00:00' DISABLE ON SLAVE DO SELECT 1;
-- What no server makes any more.
SET timestamp = 1;
CREATE EVENT long_ago ON SCHEDULE AT '2001-01-01 00:00:00' DISABLE DO SELECT 1;
CREATE EVENT until_then ON SCHEDULE EVERY 1 HOUR STARTS '2001-01-01 00:00:00' ENDS '2001-01-02 00:00:00' DISABLE DO SELECT 1;
SET timestamp = DEFAULT;

-- Defaults that are no text.
CREATE TABLE bytes_by_default (id INT PRIMARY KEY, b BINARY(2) NOT NULL DEFAULT 0x00ff COMMENT 'it''s', c VARBINARY(8) DEFAULT 0xdead275c0a00beef,
  d VARBINARY(3) DEFAULT 'ö');
