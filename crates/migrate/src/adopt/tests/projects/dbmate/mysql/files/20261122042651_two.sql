-- migrate:up
CREATE TABLE two (id int, note varchar(20) DEFAULT 'a;b');
CREATE TRIGGER t BEFORE INSERT ON two FOR EACH ROW BEGIN IF NEW.id > 1 THEN SET NEW.id = 1; END IF; SET NEW.note = CASE NEW.id WHEN 1 THEN NULL ELSE 2 END; END;
INSERT INTO two VALUES (7, 'x'); DELETE FROM two;

-- migrate:down
DROP TABLE two;
