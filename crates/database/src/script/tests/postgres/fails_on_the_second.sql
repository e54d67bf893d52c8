CREATE TABLE kept (a int);
INSERT INTO kept VALUES ('not a number');
INSERT INTO kept VALUES (1);
