CREATE TABLE l (x text);
-- The server refuses it, and no text says what follows it.
SET sql_mode = ''BEGIN;
INSERT INTO l VALUES ('\\'), ('\';');
