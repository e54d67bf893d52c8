CREATE TABLE r (a int, b text);
-- comment; here
CREATE FUNCTION f() RETURNS int AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql;
INSERT INTO r VALUES (1, 'two
lines');
COPY r FROM stdin;
2	x
\.
INSERT INTO r VALUES (3, 'end')
