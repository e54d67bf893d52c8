CREATE TABLE two (id int, note varchar(20) DEFAULT 'a;b');
CREATE TRIGGER t AFTER INSERT ON two BEGIN UPDATE two SET id = 1; UPDATE two SET id = 2; END;
