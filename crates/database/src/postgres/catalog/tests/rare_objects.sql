-- The kinds that most databases have none of; what is made here needs a superuser and the objects of objects.sql.
SELECT current_setting('server_version_num')::int >= 140000 AS since_14,
    current_setting('server_version_num')::int >= 160000 AS has_rules,
    current_setting('server_version_num')::int >= 170000 AS has_builtin,
    current_setting('server_version_num')::int >= 180000 AS is_18,
    EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') AS has_icu \gset
SET search_path = public, extras;
CREATE SCHEMA rare AUTHORIZATION "dbm_test \!role";

CREATE COLLATION rare.plain (LOCALE = 'C');
CREATE COLLATION rare.mixed (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
CREATE COLLATION "select"."it's" FROM "C";
ALTER COLLATION rare.plain OWNER TO dbm_test_app;
COMMENT ON COLLATION rare.plain IS 'a collation';
\if :has_icu
CREATE COLLATION rare.ignoring (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TABLE rare.collated (a text COLLATE rare.ignoring PRIMARY KEY);
\if :has_rules
CREATE COLLATION rare.ruled (PROVIDER = icu, LOCALE = 'en', RULES = '&V << w <<< W');
\endif
\endif
\if :has_builtin
CREATE COLLATION rare.built_in (PROVIDER = builtin, LOCALE = 'C.UTF-8');
\endif
CREATE DOMAIN rare.collated_domain AS text COLLATE rare.mixed;
CREATE TYPE rare.text_span AS RANGE (SUBTYPE = text, COLLATION = rare.plain, SUBTYPE_OPCLASS = text_pattern_ops);

-- Types that C functions read: of any length, of eight bytes, of the type of another.
CREATE TYPE rare.words;
CREATE FUNCTION rare.words_in(cstring) RETURNS rare.words LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION rare.words_out(rare.words) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE FUNCTION rare.words_receive(internal) RETURNS rare.words LANGUAGE internal IMMUTABLE STRICT AS 'textrecv';
CREATE FUNCTION rare.words_send(rare.words) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'textsend';
CREATE TYPE rare.words (INPUT = rare.words_in, OUTPUT = rare.words_out, RECEIVE = rare.words_receive, SEND = rare.words_send,
    TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, INTERNALLENGTH = VARIABLE,
    STORAGE = extended, CATEGORY = 'w', PREFERRED = true, DEFAULT = 'it''s \ empty', DELIMITER = ';', COLLATABLE = true);
ALTER TYPE rare.words OWNER TO dbm_test_app;
COMMENT ON TYPE rare.words IS 'a base type';
GRANT USAGE ON TYPE rare.words TO "dbm_test \!role";
CREATE TYPE rare.stamp;
CREATE FUNCTION rare.stamp_in(cstring) RETURNS rare.stamp LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION rare.stamp_out(rare.stamp) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE rare.stamp (INPUT = rare.stamp_in, OUTPUT = rare.stamp_out, LIKE = int8);
CREATE TYPE rare.pairs;
CREATE FUNCTION rare.pairs_in(cstring) RETURNS rare.pairs LANGUAGE internal IMMUTABLE STRICT AS 'point_in';
CREATE FUNCTION rare.pairs_out(rare.pairs) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'point_out';
CREATE TYPE rare.pairs (INPUT = rare.pairs_in, OUTPUT = rare.pairs_out, INTERNALLENGTH = 16, ALIGNMENT = double, ELEMENT = float8
\if :since_14
    , SUBSCRIPT = raw_array_subscript_handler
\endif
);
CREATE TYPE rare.only_a_name;
ALTER TYPE rare.only_a_name OWNER TO dbm_test_app;
COMMENT ON TYPE rare.only_a_name IS 'a shell';
-- Named before what it needs.
CREATE TYPE "select".a_first;
CREATE FUNCTION rare.first_in(cstring) RETURNS "select".a_first LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION rare.first_out("select".a_first) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE "select".a_first (INPUT = rare.first_in, OUTPUT = rare.first_out, ANALYZE = ts_typanalyze, LIKE = rare.stamp);
-- A range type with functions of its own, and its multirange in another namespace.
CREATE TYPE rare.days;
CREATE FUNCTION rare.days_canonical(rare.days) RETURNS rare.days LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE FUNCTION rare.days_apart(int, int) RETURNS float8 LANGUAGE internal IMMUTABLE STRICT AS 'int4range_subdiff';
CREATE TYPE rare.days AS RANGE (SUBTYPE = int, CANONICAL = rare.days_canonical, SUBTYPE_DIFF = rare.days_apart
\if :since_14
    , MULTIRANGE_TYPE_NAME = "select"."many days"
\endif
);
\if :since_14
\else
CREATE DOMAIN "select"."many days" AS text;
\endif
CREATE TABLE rare.typed (w rare.words(20) DEFAULT 'some' NOT NULL, s rare.stamp, p rare.pairs, d rare.days, m "select"."many days",
    ws rare.words[], t rare.text_span, f "select".a_first, c rare.collated_domain);

-- Casts in all their ways.
CREATE FUNCTION rare.to_text(rare.words) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'varchar';
CREATE FUNCTION rare.of_mood(app.mood, int, boolean) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (rare.words AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS rare.words) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (app.mood AS int) WITH FUNCTION rare.of_mood(app.mood, int, boolean);
CREATE CAST (rare.stamp AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (app.mood AS int) IS 'a cast';
-- Nothing says that this view needs the cast.
CREATE VIEW "select".a_cast AS SELECT 'sad'::app.mood::int AS n, 'x'::rare.words::text AS t;

CREATE FUNCTION rare.less(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'text_lt';
CREATE FUNCTION rare.less_or_equal(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'text_le';
CREATE FUNCTION rare.equal(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'texteq';
CREATE FUNCTION rare.unequal(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'textne';
CREATE FUNCTION rare.more_or_equal(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'text_ge';
CREATE FUNCTION rare.more(rare.words, rare.words) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'text_gt';
CREATE FUNCTION rare.compared(rare.words, rare.words) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'bttextcmp';
CREATE FUNCTION rare.hashed(rare.words) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashtext';
CREATE FUNCTION rare.long_hash(rare.words, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT AS 'hashtextextended';
CREATE FUNCTION rare.equals_text(rare.words, text) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'texteq';
CREATE FUNCTION rare.compared_text(rare.words, text) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'bttextcmp';
CREATE FUNCTION rare.negated(rare.stamp) RETURNS rare.stamp LANGUAGE internal IMMUTABLE STRICT AS 'int8um';
CREATE OPERATOR rare.< (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.less, COMMUTATOR = OPERATOR(rare.>),
    NEGATOR = OPERATOR(rare.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR rare.<= (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.less_or_equal, COMMUTATOR = OPERATOR(rare.>=),
    NEGATOR = OPERATOR(rare.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR rare.= (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.equal, COMMUTATOR = OPERATOR(rare.=),
    NEGATOR = OPERATOR("select".<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR "select".<> (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.unequal, COMMUTATOR = OPERATOR("select".<>),
    NEGATOR = OPERATOR(rare.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR rare.>= (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.more_or_equal);
CREATE OPERATOR rare.> (LEFTARG = rare.words, RIGHTARG = rare.words, FUNCTION = rare.more);
CREATE OPERATOR rare.= (LEFTARG = rare.words, RIGHTARG = text, FUNCTION = rare.equals_text);
CREATE OPERATOR rare.!~@# (RIGHTARG = rare.stamp, FUNCTION = rare.negated);
CREATE OPERATOR rare.%% (LEFTARG = int, RIGHTARG = int, FUNCTION = int4mod, COMMUTATOR = OPERATOR("a ""b
\! c".%%%));
ALTER OPERATOR rare.!~@# (NONE, rare.stamp) OWNER TO dbm_test_app;
COMMENT ON OPERATOR rare.!~@# (NONE, rare.stamp) IS 'a prefix operator';
COMMENT ON OPERATOR rare.= (rare.words, rare.words) IS 'an operator';

CREATE OPERATOR FAMILY rare.words_ops USING btree;
CREATE OPERATOR CLASS rare.words_ops DEFAULT FOR TYPE rare.words USING btree FAMILY rare.words_ops AS
    OPERATOR 1 rare.<, OPERATOR 2 rare.<=, OPERATOR 3 rare.= (rare.words, rare.words), OPERATOR 4 rare.>=, OPERATOR 5 rare.>,
    FUNCTION 1 rare.compared(rare.words, rare.words), FUNCTION 4 btequalimage(oid);
ALTER OPERATOR FAMILY rare.words_ops USING btree ADD
    OPERATOR 3 rare.= (rare.words, text), FUNCTION 1 (rare.words, text) rare.compared_text(rare.words, text);
CREATE OPERATOR CLASS rare.words_hash DEFAULT FOR TYPE rare.words USING hash AS
    OPERATOR 1 rare.= (rare.words, rare.words), FUNCTION 1 rare.hashed(rare.words), FUNCTION 2 rare.long_hash(rare.words, bigint);
CREATE OPERATOR CLASS rare.spots FOR TYPE point USING gist AS
\if :since_14
    OPERATOR 11 |>> (point, point),
\else
    OPERATOR 11 >^ (point, point),
\endif
    OPERATOR 15 <-> (point, point) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
    FUNCTION 3 gist_point_compress(internal), FUNCTION 5 gist_box_penalty(internal, internal, internal),
    FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal),
    FUNCTION 8 gist_point_distance(internal, point, smallint, oid, internal), STORAGE box;
CREATE OPERATOR CLASS rare.nothing FOR TYPE int USING brin AS STORAGE int;
CREATE OPERATOR FAMILY rare.empty USING gin;
-- Into a family that comes with the server.
CREATE FUNCTION rare.int_words(int, rare.words) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR rare.= (LEFTARG = int, RIGHTARG = rare.words, FUNCTION = rare.int_words);
ALTER OPERATOR FAMILY pg_catalog.integer_ops USING hash ADD OPERATOR 1 rare.= (int, rare.words);
ALTER OPERATOR CLASS rare.words_ops USING btree OWNER TO dbm_test_app;
ALTER OPERATOR FAMILY rare.words_ops USING btree OWNER TO dbm_test_app;
COMMENT ON OPERATOR CLASS rare.words_ops USING btree IS 'an operator class';
COMMENT ON OPERATOR FAMILY rare.words_ops USING btree IS 'an operator family';
CREATE INDEX ON rare.typed (w);
CREATE INDEX ON rare.typed USING hash (w);
CREATE VIEW "select".a_sorted AS SELECT DISTINCT w FROM rare.typed ORDER BY w;
CREATE TABLE rare.by_words (w rare.words) PARTITION BY RANGE (w);
CREATE TABLE rare.by_words_1 PARTITION OF rare.by_words FOR VALUES FROM ('a') TO ('b');

CREATE ACCESS METHOD "trees \!" TYPE INDEX HANDLER gisthandler;
CREATE ACCESS METHOD heaps TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heaps IS 'an access method';
CREATE OPERATOR CLASS rare.in_trees DEFAULT FOR TYPE box USING "trees \!" AS
    OPERATOR 3 && (box, box), FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
    FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal),
    FUNCTION 7 gist_box_same(box, box, internal);
CREATE TABLE rare.in_heaps (a box) USING heaps;
CREATE MATERIALIZED VIEW rare.seen_heaps USING heaps AS SELECT a FROM rare.in_heaps;
CREATE INDEX ON rare.in_heaps USING "trees \!" (a);

CREATE FUNCTION rare.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION rare.inline(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION rare.validator(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "mine \!" HANDLER rare.handler INLINE rare.inline VALIDATOR rare.validator;
CREATE LANGUAGE bare HANDLER rare.handler;
ALTER LANGUAGE "mine \!" OWNER TO dbm_test_app;
REVOKE ALL ON LANGUAGE "mine \!" FROM PUBLIC;
GRANT USAGE ON LANGUAGE "mine \!" TO "dbm_test \!role";
COMMENT ON LANGUAGE "mine \!" IS 'a language';
CREATE FUNCTION rare.in_mine() RETURNS int LANGUAGE "mine \!" AS 'BEGIN RETURN 1; END';
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE TRANSFORM FOR app.mood LANGUAGE "mine \!" (FROM SQL WITH FUNCTION prsd_lextype(internal));
COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'a transform';
CREATE FUNCTION rare.transformed(app.mood) RETURNS int TRANSFORM FOR TYPE app.mood LANGUAGE "mine \!" AS 'BEGIN RETURN 1; END';
CREATE FUNCTION rare.supported(text) RETURNS boolean LANGUAGE sql IMMUTABLE SUPPORT textlike_support AS 'SELECT true';

CREATE CONVERSION rare."latin \!" FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION rare.back FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
ALTER CONVERSION rare.back OWNER TO dbm_test_app;
COMMENT ON CONVERSION rare.back IS 'a conversion';

CREATE TEXT SEARCH PARSER rare.reads (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE rare.shapes (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH TEMPLATE rare.bare (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY rare."it's" (TEMPLATE = rare.shapes, STOPWORDS = english, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY rare.stems (TEMPLATE = snowball, LANGUAGE = 'russian');
CREATE TEXT SEARCH CONFIGURATION rare.finds (PARSER = rare.reads);
ALTER TEXT SEARCH CONFIGURATION rare.finds ADD MAPPING FOR word, asciiword WITH rare."it's", rare.stems, simple;
ALTER TEXT SEARCH CONFIGURATION rare.finds ADD MAPPING FOR email WITH simple;
CREATE TEXT SEARCH CONFIGURATION rare.english (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION rare.finds OWNER TO dbm_test_app;
ALTER TEXT SEARCH DICTIONARY rare.stems OWNER TO dbm_test_app;
COMMENT ON TEXT SEARCH PARSER rare.reads IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE rare.shapes IS 'a template';
COMMENT ON TEXT SEARCH DICTIONARY rare.stems IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION rare.finds IS 'a configuration';
CREATE TABLE rare.searched (t text, v tsvector GENERATED ALWAYS AS (to_tsvector('rare.finds', t)) STORED);
CREATE INDEX ON rare.searched USING gin (to_tsvector('rare.english', t));

CREATE AGGREGATE rare.ranked(VARIADIC "any" ORDER BY VARIADIC "any") (STYPE = internal, SFUNC = ordered_set_transition_multi,
    FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE AGGREGATE rare.averaged(numeric) (STYPE = internal, SFUNC = numeric_avg_accum, SSPACE = 200, FINALFUNC = numeric_avg,
    COMBINEFUNC = numeric_avg_combine, SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize,
    FINALFUNC_MODIFY = SHAREABLE, PARALLEL = RESTRICTED, MSTYPE = internal, MSFUNC = numeric_avg_accum, MINVFUNC = numeric_accum_inv,
    MFINALFUNC = numeric_avg, MFINALFUNC_MODIFY = READ_WRITE, MSSPACE = 77);
CREATE AGGREGATE rare.shared(float8 ORDER BY anyelement) (STYPE = internal, SFUNC = ordered_set_transition, FINALFUNC = percentile_disc_final,
    FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_ONLY);
CREATE AGGREGATE rare."listed \!"(VARIADIC items text[]) (STYPE = text[], SFUNC = array_cat, INITCOND = '{it''s,\\}');
ALTER AGGREGATE rare.shared(float8 ORDER BY anyelement) OWNER TO dbm_test_app;
COMMENT ON AGGREGATE rare.ranked(VARIADIC "any" ORDER BY VARIADIC "any") IS 'hypothetical';
CREATE PROCEDURE rare.several(IN a int, INOUT b text, VARIADIC c int[]) LANGUAGE sql SET work_mem = '8MB' AS 'SELECT b';
REVOKE ALL ON PROCEDURE rare.several(int, text, int[]) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE rare.several(int, text, int[]) TO dbm_test_app;

CREATE FUNCTION rare.fdw_handler() RETURNS fdw_handler LANGUAGE c STRICT AS '$libdir/file_fdw', 'file_fdw_handler';
CREATE FOREIGN DATA WRAPPER "files \!" HANDLER rare.fdw_handler OPTIONS ("a b" 'it''s \ c', debug 'true');
CREATE FOREIGN DATA WRAPPER nowhere VALIDATOR postgresql_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER nowhere IS 'a wrapper';
GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO dbm_test_app WITH GRANT OPTION;
CREATE SERVER "far \!" TYPE 'a''b' VERSION '1.0' FOREIGN DATA WRAPPER nowhere OPTIONS (host '/nowhere', dbname 'd\b');
CREATE SERVER near FOREIGN DATA WRAPPER "files \!";
ALTER SERVER near OWNER TO dbm_test_app;
COMMENT ON SERVER near IS 'a server';
GRANT USAGE ON FOREIGN SERVER near TO PUBLIC;
CREATE USER MAPPING FOR PUBLIC SERVER "far \!";
CREATE USER MAPPING FOR "dbm_test \!role" SERVER "far \!" OPTIONS (user 'it''s');
CREATE USER MAPPING FOR dbm_test_app SERVER near;
CREATE FOREIGN TABLE rare.foreign_one (
    id int OPTIONS ("column name" 'it''s', force_null 'true') NOT NULL DEFAULT 3,
    t text COLLATE "C" DEFAULT 'x',
    doubled int GENERATED ALWAYS AS (id * 2) STORED,
    CONSTRAINT "positive \!" CHECK (id > 0)
) SERVER near OPTIONS (filename '/nowhere', format 'csv');
ALTER FOREIGN TABLE rare.foreign_one ALTER t SET STATISTICS 7, ALTER t SET STORAGE EXTERNAL;
ALTER FOREIGN TABLE rare.foreign_one OWNER TO dbm_test_app;
COMMENT ON FOREIGN TABLE rare.foreign_one IS 'a foreign table';
COMMENT ON COLUMN rare.foreign_one.id IS 'a foreign column';
GRANT SELECT, UPDATE (id) ON rare.foreign_one TO "dbm_test \!role";
CREATE TRIGGER on_foreign AFTER INSERT ON rare.foreign_one FOR EACH ROW EXECUTE FUNCTION app.stamp();
CREATE TABLE rare.near_one (id int, t text);
CREATE FOREIGN TABLE rare.foreign_heir (more int) INHERITS (rare.near_one) SERVER near OPTIONS (filename '/nowhere');
CREATE TABLE rare.spread (k int, t text) PARTITION BY LIST (k);
CREATE FOREIGN TABLE rare.spread_far PARTITION OF rare.spread FOR VALUES IN (1, 2) SERVER near OPTIONS (filename '/nowhere');
CREATE FOREIGN TABLE rare.no_columns () SERVER near;
CREATE STATISTICS rare.foreign_stats ON id, t FROM rare.foreign_one;
CREATE VIEW rare.sees_foreign AS SELECT id FROM rare.foreign_one;

\if :is_18
-- Columns that refuse NULL by a constraint with a name, that heirs do not get, that holds for new rows only.
CREATE TABLE rare.refusing (a int CONSTRAINT "no \! null" NOT NULL, b int NOT NULL NO INHERIT, c int, d int NOT NULL, e int);
ALTER TABLE rare.refusing ADD CONSTRAINT later NOT NULL c NOT VALID, ADD CONSTRAINT "last" NOT NULL e NO INHERIT NOT VALID;
COMMENT ON CONSTRAINT "no \! null" ON rare.refusing IS 'refuses';
COMMENT ON CONSTRAINT later ON rare.refusing IS 'refuses later';
CREATE TABLE rare.refusing_heir (f int NOT NULL) INHERITS (rare.refusing);
CREATE TABLE rare.refusing_too (a int CONSTRAINT mine NOT NULL) INHERITS (rare.refusing);
COMMENT ON CONSTRAINT "no \! null" ON rare.refusing_heir IS 'inherited';
ALTER TABLE rare.refusing_heir ADD CONSTRAINT d_of_its_own NOT NULL b;
CREATE TABLE rare.refusing_parted (id int CONSTRAINT idnn NOT NULL GENERATED ALWAYS AS IDENTITY, x int PRIMARY KEY, y int CHECK (y > 0) NOT ENFORCED)
    PARTITION BY RANGE (x);
CREATE TABLE rare.refusing_part PARTITION OF rare.refusing_parted FOR VALUES FROM (0) TO (9);
CREATE TABLE rare.refusing_other (x int NOT NULL, y int, id int CONSTRAINT own NOT NULL);
ALTER TABLE rare.refusing_other ADD CONSTRAINT refusing_parted_y_check CHECK (y > 0) NOT ENFORCED;
ALTER TABLE rare.refusing_parted ATTACH PARTITION rare.refusing_other FOR VALUES FROM (9) TO (20);
CREATE TABLE rare."Refusing \! of a very long name that ends nowhere near here" (a_column_of_a_long_name int NOT NULL);
CREATE DOMAIN rare.refusing_domain AS int CONSTRAINT "not \! null" NOT NULL;
COMMENT ON CONSTRAINT "not \! null" ON DOMAIN rare.refusing_domain IS 'of a domain';
CREATE TYPE rare.for_typed AS (a int, b int);
CREATE TABLE rare.refusing_typed OF rare.for_typed (a WITH OPTIONS CONSTRAINT typed_a NOT NULL);
CREATE FOREIGN TABLE rare.refusing_far (a int CONSTRAINT far NOT NULL, b int GENERATED ALWAYS AS (a + 1) VIRTUAL) SERVER near;
-- Columns that are computed when they are read; keys over time.
CREATE TABLE rare.computed (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c int GENERATED ALWAYS AS (a * 3) STORED,
    CHECK (a > 0) NOT ENFORCED);
CREATE TABLE rare.over_time (id int, during daterange, also tstzmultirange,
    CONSTRAINT "key \!" PRIMARY KEY (id, during WITHOUT OVERLAPS), UNIQUE (id, also WITHOUT OVERLAPS));
CREATE TABLE rare.refers_over_time (id int, during daterange, FOREIGN KEY (id, PERIOD during) REFERENCES rare.over_time (id, PERIOD during));
CREATE TABLE rare.not_enforced (id int, during daterange,
    FOREIGN KEY (id, PERIOD during) REFERENCES rare.over_time (id, PERIOD during) NOT ENFORCED);
\endif
