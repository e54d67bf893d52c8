-- Bodies in dollar quotes, with semicolons, quotes and other tags inside.
CREATE TABLE log (id serial PRIMARY KEY, note text);
CREATE FUNCTION add_note(a$$b text) RETURNS void AS $f$
BEGIN
  INSERT INTO log (note) VALUES ('it''s; ' || a$$b); -- not the end; 'nor this
  /* nor ; this */
END;
$f$ LANGUAGE plpgsql;
CREATE OR REPLACE FUNCTION outer_body() RETURNS text AS $body$
DECLARE t text := $q$a ; $$ b $q$;
BEGIN
  EXECUTE $sql$ INSERT INTO log (note) VALUES ($v$x;y$v$) $sql$;
  RETURN t || $_1$;$_1$;
END
$body$ LANGUAGE plpgsql; SELECT outer_body(); SELECT add_note('one'); SELECT add_note($$two;$$), add_note($ü$three$ü$);
DO $$BEGIN PERFORM add_note('four;'); END$$;
PREPARE p (int, text) AS INSERT INTO log (id, note) VALUES ($1+100,$2||';');
EXECUTE p(1,$$five$$);
CREATE TABLE price$list (usd$ int DEFAULT 1);INSERT INTO price$list VALUES(1);INSERT INTO price$list VALUES (2)
