CREATE TABLE s (n int, v text, "odd; name" text, "a""b;" text);
INSERT INTO s (n, v) VALUES (1, 'plain \'), (2, 'it''s;'), (3, E'escaped \'; still \\'), (4, e'\\');
INSERT INTO s (n, v) VALUES (5, U&'d\0061t\+000061;'), (6, U&'!0061;' UESCAPE '!'), (7, N'national;');
INSERT INTO s (n, v) VALUES (8, 'two'
  ' parts;'), (9, E'two'  -- with a comment; between
  ' parts\\; and more'), (10, B'101'::text), (11, X'1F'::text);
SELECT n AS type, 'x;' AS e FROM s;
SELECT U&"\006e;" FROM (VALUES (1)) AS t (U&"n\003b");
INSERT INTO s (n, "odd; name", "a""b;") VALUES (12, 'a;b', ';');
INSERT INTO s (n, v) SELECT 13, 'typename''E'';' WHERE true AND 'E' = E'E';
INSERT INTO s VALUES (14, ''), (15, ''''), (16, ''';'''), (17, E'\'');
