CREATE TABLE "select" ("from" int, "end;" int, größe int, _x$1 int);
INSERT INTO "select" VALUES (1,2,3,4);CREATE INDEX ON "select"("from");
CREATE TYPE mood AS ENUM ('sad;', 'it''s ok', 'ha"ppy');
CREATE DOMAIN posint AS int CHECK (VALUE > 0); COMMENT ON DOMAIN posint IS 'a; b
-- c /* d';
CREATE TRIGGER "t;" BEFORE UPDATE ON "select" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
GRANT SELECT ON "select" TO PUBLIC;
SELECT 1 AS a, 1e5, 1.5e-3, .5 WHERE false;
