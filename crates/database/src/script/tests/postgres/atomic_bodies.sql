CREATE TABLE t (id int, start_date date, end_date date, "end" int, "begin" int, atomic int);
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT x * 2; SELECT x * 2; END;
CREATE OR REPLACE FUNCTION is_atomic_end(x int) RETURNS text LANGUAGE sql
BEGIN ATOMIC
  SELECT CASE WHEN x > 0 THEN CASE WHEN x > 10 THEN 'many' ELSE 'some' END ELSE 'none' END;
  SELECT CASE x WHEN 1 THEN 'end;' ELSE (CASE WHEN x = 2 THEN 'begin' END) END AS weekend;
END;
CREATE PROCEDURE fill(n int) LANGUAGE sql
begin atomic
  INSERT INTO t (id, end_date, "end", "begin") VALUES (n, DATE '2020-01-01', 1, 2);
  DELETE FROM t WHERE "end" = 5; -- end;
  UPDATE t SET atomic = CASE WHEN atomic IS NULL THEN 0 ELSE atomic END;
end; CALL fill(1);
CREATE FUNCTION endless_case(atomic_end int, case_end int) RETURNS int RETURN atomic_end + case_end;
CREATE OR REPLACE PROCEDURE begin_end() LANGUAGE plpgsql AS $$ BEGIN NULL; END; $$;
CREATE VIEW v AS SELECT CASE WHEN id > 0 THEN 1 END AS "case" FROM t; SELECT * FROM v;
BEGIN; INSERT INTO t (id) VALUES (7); END;
BEGIN; INSERT INTO t (id) VALUES (8); COMMIT;
SELECT is_atomic_end(3), twice(4), endless_case(1, 2); CALL begin_end();
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = 0);
