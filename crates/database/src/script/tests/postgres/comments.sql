/* A comment ; with /* a nested; one */ still a comment; */
CREATE TABLE c (a int); -- trailing; comment
/**/ /* ' unbalanced */ INSERT INTO c VALUES (1); /* " */
-- it's a line;
INSERT INTO c VALUES (2 -- ;
 + 1), (4 /* ; /* ; */ */ * 1);
INSERT INTO c VALUES (10*/* tight */-1), (3--2
- 1);
CREATE OPERATOR +* (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
INSERT INTO c SELECT 5 +*--five;
 6;;; ; /* nothing */ ;
INSERT INTO c SELECT 1 /* at the end */
-- the last line has no newline