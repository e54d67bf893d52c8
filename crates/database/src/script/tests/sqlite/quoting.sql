CREATE TABLE q ([odd; name] TEXT, `tick;``s` TEXT, "a""b;" TEXT, plain$x TEXT);
INSERT INTO q VALUES ('it''s;', 'back\', '/* no */', '-- no');
/* not /* nested; */ INSERT INTO q (plain$x) VALUES ('after;');
INSERT INTO q (plain$x) VALUES (x'00ff'), (1.5e3), (-1), (NULL), (?1); -- trailing; words
# the shell takes this line for a comment; and this
INSERT INTO q (plain$x) VALUES ('grüße; 🙂');;;
INSERT INTO q (plain$x) SELECT 10/*x*/-/* y; */3;
INSERT INTO q (plain$x) VALUES ('go')
go
INSERT INTO q (plain$x) SELECT 6
  / 2
/
CREATE VIEW commented AS SELECT 1 /* kept; */ -- kept; too
;
CREATE TABLE uncommented (a /* in; */ INT) /* gone; */;
PRAGMA user_version = 7; PRAGMA user_version;
CREATE VIRTUAL TABLE f USING fts5(body, tokenize = 'porter'); INSERT INTO f VALUES ('x; y');
CREATE VIEW last_one AS SELECT 2 /* a comment that does not end; is one
