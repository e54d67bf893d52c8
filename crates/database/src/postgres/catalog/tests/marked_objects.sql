-- What hangs on objects, and what stands last: publications, subscriptions, event triggers, ties to extensions,
-- states, targets and privileges of what was there before. For psql; it needs the roles of objects.sql.
SELECT current_setting('server_version_num')::int >= 140000 AS since_14,
    current_setting('server_version_num')::int >= 150000 AS since_15,
    current_setting('server_version_num')::int >= 160000 AS since_16,
    current_setting('server_version_num')::int >= 170000 AS since_17,
    current_setting('server_version_num')::int >= 180000 AS since_18 \gset
CREATE SCHEMA marks;
CREATE SCHEMA "marks \!2";
CREATE EXTENSION hstore WITH SCHEMA marks;
CREATE EXTENSION pg_trgm WITH SCHEMA marks;
CREATE EXTENSION unaccent WITH SCHEMA marks;

CREATE TABLE marks.published (id int PRIMARY KEY, "a ""b" text, c numeric, t text GENERATED ALWAYS AS (upper("a ""b")) STORED);
CREATE TABLE marks.parts (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE marks.parts_1 PARTITION OF marks.parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE "marks \!2".more (id int PRIMARY KEY, hidden text);
\if :since_18
CREATE TABLE marks.named (a int CONSTRAINT "a \!" NOT NULL, b int NOT NULL NO INHERIT, c int, d int NOT NULL, e int CONSTRAINT told NOT NULL);
ALTER TABLE marks.named ADD CONSTRAINT later NOT NULL c NOT VALID;
COMMENT ON CONSTRAINT told ON marks.named IS 'a comment';
COMMENT ON CONSTRAINT named_d_not_null ON marks.named IS 'another';
COMMENT ON CONSTRAINT later ON marks.named IS 'a third';
CREATE TABLE marks.heir (b int CONSTRAINT own NOT NULL, CONSTRAINT also_d NOT NULL f, f int) INHERITS (marks.named);
\endif
CREATE DOMAIN marks.named_domain AS int
\if :since_17
    CONSTRAINT refuses
\endif
    NOT NULL;
CREATE TABLE marks.counted (id int GENERATED ALWAYS AS IDENTITY, k int NOT NULL) PARTITION BY LIST (k);
CREATE TABLE marks.counted_1 PARTITION OF marks.counted FOR VALUES IN (1);
CREATE PUBLICATION empty;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, truncate');
CREATE PUBLICATION "some \!" FOR TABLE marks.published, "marks \!2".more, marks.parts WITH (publish_via_partition_root = true, publish = 'insert, update');
ALTER PUBLICATION "some \!" OWNER TO dbm_test_app;
COMMENT ON PUBLICATION "some \!" IS 'some \ tables';
\if :since_15
CREATE PUBLICATION filtered FOR TABLE marks.published (id, "a ""b") WHERE (id > 5 AND "a ""b" <> 'it''s \'), "marks \!2".more (id);
CREATE PUBLICATION whole_namespaces FOR TABLES IN SCHEMA "marks \!2", marks;
\endif
\if :since_18
CREATE PUBLICATION with_generated FOR TABLE marks.published WITH (publish_generated_columns = stored);
\endif

CREATE SUBSCRIPTION "sub \!" CONNECTION 'host=nowhere.invalid password=''it\''s secret'' dbname=x' PUBLICATION one, "tw""o"
    WITH (connect = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION "sub \!" IS 'a subscription';
\if :since_14
CREATE SUBSCRIPTION with_options CONNECTION 'postgres://me:secret@nowhere.invalid/x' PUBLICATION p
    WITH (connect = false, slot_name = 'dbm_slot', binary = true, streaming = true, synchronous_commit = 'remote_apply');
\endif
\if :since_15
ALTER SUBSCRIPTION with_options SET (disable_on_error = true);
CREATE SUBSCRIPTION two_phase CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = 'two', two_phase = true
\if :since_17
    , failover = true
\endif
);
\endif
\if :since_16
ALTER SUBSCRIPTION with_options SET (origin = none, run_as_owner = true, password_required = false, streaming = parallel);
\endif
\if :since_18
CREATE SUBSCRIPTION unstreamed CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE, streaming = off);
\endif

CREATE FUNCTION marks.trimmed(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE PROCEDURE marks.tied() LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION marks.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tied BEFORE INSERT ON marks.published FOR EACH ROW EXECUTE FUNCTION marks.fires();
CREATE MATERIALIZED VIEW marks.tied_view AS SELECT id FROM marks.published;
CREATE INDEX tied_index ON marks.published (c);
ALTER FUNCTION marks.trimmed(text) DEPENDS ON EXTENSION hstore;
ALTER FUNCTION marks.trimmed(text) DEPENDS ON EXTENSION pg_trgm;
ALTER PROCEDURE marks.tied() DEPENDS ON EXTENSION hstore;
ALTER TRIGGER tied ON marks.published DEPENDS ON EXTENSION pg_trgm;
ALTER MATERIALIZED VIEW marks.tied_view DEPENDS ON EXTENSION hstore;
ALTER INDEX marks.tied_index DEPENDS ON EXTENSION hstore;

CREATE TRIGGER on_parts AFTER INSERT ON marks.parts FOR EACH ROW EXECUTE FUNCTION marks.fires();
ALTER TABLE marks.parts ENABLE ALWAYS TRIGGER on_parts;
ALTER TABLE marks.parts_1 ENABLE REPLICA TRIGGER on_parts;
CREATE RULE always AS ON UPDATE TO marks.published WHERE OLD.id = 3 DO ALSO DELETE FROM "marks \!2".more;
ALTER TABLE marks.published ENABLE ALWAYS RULE always;
CREATE RULE replica AS ON DELETE TO marks.published DO ALSO NOTIFY gone;
ALTER TABLE marks.published ENABLE REPLICA RULE replica;
CREATE STATISTICS marks.all_kinds (ndistinct, dependencies, mcv) ON id, c FROM marks.published;
\if :since_14
CREATE STATISTICS marks.expression ON (id + 1), (lower("a ""b")) FROM marks.published;
ALTER STATISTICS marks.expression SET STATISTICS 0;
\endif
ALTER STATISTICS marks.all_kinds SET STATISTICS 1000;
CREATE POLICY reversed ON marks.published TO "dbm_test \!role", dbm_test_app USING (true);

-- Privileges: columns, what extensions made, what comes with the server.
GRANT SELECT (id, "a ""b"), UPDATE (c) ON marks.published TO dbm_test_app WITH GRANT OPTION;
GRANT ALL ON marks.published TO "dbm_test \!role";
REVOKE DELETE ON marks.published FROM "dbm_test \!role";
\if :since_17
GRANT MAINTAIN ON marks.published TO dbm_test_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA marks GRANT MAINTAIN ON TABLES TO dbm_test_app;
\endif
\if :since_18
ALTER DEFAULT PRIVILEGES FOR ROLE dbm_test_app GRANT SELECT ON LARGE OBJECTS TO "dbm_test \!role";
\endif
REVOKE ALL ON FUNCTION marks.similarity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION marks.similarity(text, text) TO "dbm_test \!role";
REVOKE USAGE ON TYPE marks.hstore FROM PUBLIC;
REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO dbm_test_app;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO dbm_test_app;
GRANT SELECT (rolname) ON pg_catalog.pg_authid TO PUBLIC;
REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE dbm_test_app IN SCHEMA marks GRANT EXECUTE ON FUNCTIONS TO "dbm_test \!role", dbm_test_app;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO dbm_test_app WITH GRANT OPTION;

CREATE FUNCTION marks.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER "watch \!" ON ddl_command_start WHEN TAG IN ('DROP FUNCTION', 'CREATE TABLE') EXECUTE FUNCTION marks.watch();
CREATE EVENT TRIGGER disabled ON sql_drop EXECUTE FUNCTION marks.watch();
ALTER EVENT TRIGGER disabled DISABLE;
CREATE EVENT TRIGGER always ON ddl_command_end EXECUTE FUNCTION marks.watch();
ALTER EVENT TRIGGER always ENABLE ALWAYS;
CREATE EVENT TRIGGER replica ON table_rewrite EXECUTE FUNCTION marks.watch();
ALTER EVENT TRIGGER replica ENABLE REPLICA;
\if :since_17
CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION marks.watch();
\endif
COMMENT ON EVENT TRIGGER always IS 'an event trigger';
