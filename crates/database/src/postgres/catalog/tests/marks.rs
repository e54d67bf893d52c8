//! What hangs on objects and what stands last.

use super::{assert_same, databases, dump, psql, same, schema, script};
use crate::{Kind, Schema};

const MARKED: &str = include_str!("marked_objects.sql");

#[tokio::test]
async fn what_hangs_on_objects_round_trips() {
    let [one, two] = databases("marks");
    psql(&one, MARKED);
    let first = schema(&one).await;
    assert!(first.refused.is_empty(), "{:?}", first.refused);
    let told: Vec<&str> = first.left_out.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(told[0], "the password of subscription sub \\!");
    let script = script(&first);
    assert!(!script.contains("secret"), "{script}");
    psql(&two, &script);
    let text = |url: &str| dump(url).replace(" password=''it\\''s secret''", "").replace("me:secret@", "me@");
    same("the dumps", &text(&one), &text(&two));
    let second = schema(&two).await;
    assert_same(&first, &second);
    for kind in [Kind::Publication, Kind::PublicationTable, Kind::Subscription, Kind::EventTrigger] {
        assert!(first.objects.iter().any(|object| object.id.kind == kind), "{kind:?}");
    }
    assert_eq!(first.objects.last().unwrap().id.kind, Kind::EventTrigger);
    // No database with a subscription can be dropped.
    let gone = "DO $$DECLARE s text; BEGIN
        FOR s IN SELECT quote_ident(subname) FROM pg_subscription WHERE subdbid =
            (SELECT oid FROM pg_database WHERE datname = current_database()) LOOP
            EXECUTE 'ALTER SUBSCRIPTION ' || s || ' SET (slot_name = NONE)';
            EXECUTE 'DROP SUBSCRIPTION ' || s;
        END LOOP; END$$";
    psql(&one, gone);
    psql(&two, gone);
}

/// Both ways of asking the server what is on `information_schema` and on what comes with it.
const BUILT_IN: &str = "
    SELECT n.nspname, c.relname, c.relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('information_schema', 'pg_catalog') ORDER BY 1, 2;
    SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_t' ORDER BY 1;
    SELECT p.oid::regprocedure::text, proacl::text FROM pg_proc p WHERE proacl IS NOT NULL AND proname <> 'now' ORDER BY 1;
    SELECT p.oid::regprocedure::text, procost, prorows, provolatile, proisstrict, prosecdef, proleakproof, proparallel,
        proowner::regrole FROM pg_proc p WHERE pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace) ORDER BY 1;
    SELECT typname, typowner::regrole FROM pg_type WHERE typname = 'citext';
    SELECT i.identity, d.description FROM pg_description d, pg_identify_object(classoid, objoid, objsubid) i ORDER BY 1, 2;";

#[tokio::test]
async fn changes_of_what_comes_with_the_server_and_with_extensions_are_carried() {
    let [one, two] = databases("built_in");
    let untouched = schema(&one).await;
    assert!(
        untouched.objects.iter().all(|object| {
            // Of a server before 15, `public` is always said in full.
            let public = object.id.name == "public";
            object.definition.is_empty()
                && object.comments.is_empty()
                && (public || object.privileges.is_empty())
        }),
        "{untouched:#?}"
    );
    psql(&one, "CREATE EXTENSION citext");
    psql(
        &one,
        "GRANT INSERT ON information_schema.tables TO dbm_test_app;
         REVOKE SELECT ON information_schema.columns FROM PUBLIC;
         GRANT SELECT (table_name) ON information_schema.columns TO dbm_test_app;
         GRANT SELECT ON information_schema.sql_parts TO PUBLIC;
         REVOKE USAGE ON SCHEMA information_schema FROM PUBLIC;
         GRANT USAGE, CREATE ON SCHEMA information_schema TO dbm_test_app;
         REVOKE EXECUTE ON FUNCTION information_schema._pg_truetypid(pg_attribute, pg_type) FROM PUBLIC;
         REVOKE ALL ON SCHEMA pg_catalog FROM PUBLIC;
         GRANT USAGE ON SCHEMA pg_catalog TO dbm_test_app WITH GRANT OPTION",
    );
    psql(
        &one,
        "COMMENT ON FUNCTION pg_catalog.pg_sleep(float8) IS 'do not';
         COMMENT ON COLUMN pg_catalog.pg_class.relname IS 'its \\! name';
         COMMENT ON TYPE public.citext IS 'changed';
         COMMENT ON EXTENSION citext IS 'changed, too';
         COMMENT ON EXTENSION plpgsql IS 'and this';
         COMMENT ON VIEW information_schema.tables IS 'tables'",
    );
    psql(
        &one,
        "ALTER FUNCTION pg_catalog.pg_sleep(float8) COST 77 PARALLEL UNSAFE;
         ALTER FUNCTION pg_catalog.generate_series(int, int) ROWS 7 STABLE;
         ALTER FUNCTION pg_catalog.pg_backend_pid() OWNER TO dbm_test_app;
         ALTER FUNCTION public.citext_eq(citext, citext) OWNER TO \"dbm_test \\!role\";
         ALTER TYPE public.citext OWNER TO dbm_test_app;
         GRANT EXECUTE ON FUNCTION pg_catalog.now() TO dbm_test_app; REVOKE EXECUTE ON FUNCTION pg_catalog.now() FROM dbm_test_app",
    );
    let first = schema(&one).await;
    assert!(first.refused.is_empty(), "{:?}", first.refused);
    assert!(!script(&first).contains("now()"), "what was granted and revoked is not changed");
    psql(&two, "CREATE EXTENSION citext");
    psql(&two, &script(&first));
    same("what comes with it", &psql(&one, BUILT_IN), &psql(&two, BUILT_IN));
    same("the dumps", &dump(&one), &dump(&two));
    assert_same(&first, &schema(&two).await);
}

#[tokio::test]
async fn a_dropped_language_stays_dropped() {
    let [one, two] = databases("no_plpgsql");
    psql(&one, "DROP EXTENSION plpgsql; CREATE TABLE t (a int)");
    let first = schema(&one).await;
    psql(&two, &script(&first));
    same("the dumps", &dump(&one), &dump(&two));
    assert_same(&first, &schema(&two).await);
    assert_eq!(psql(&two, "SELECT count(*) FROM pg_extension"), "0\n");
}

/// No provider of labels comes with the server, but its catalog can be written to.
#[tokio::test]
async fn security_labels_are_statements() {
    let [one, _] = databases("labels");
    psql(
        &one,
        "CREATE TABLE t (\"a b\" int); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE SCHEMA s; CREATE DOMAIN s.d AS int; SELECT lo_create(7);
         INSERT INTO pg_seclabel VALUES
            ('t'::regclass, 'pg_class'::regclass, 0, 'dum\"my', 'a ''label'' \\'),
            ('t'::regclass, 'pg_class'::regclass, 1, 'dummy', 'column'),
            ('f(int)'::regprocedure, 'pg_proc'::regclass, 0, 'dummy', 'function'),
            ('s.d'::regtype, 'pg_type'::regclass, 0, 'dummy', 'type'),
            (7, 'pg_largeobject'::regclass, 0, 'dummy', 'large'),
            ((SELECT oid FROM pg_namespace WHERE nspname = 's'), 'pg_namespace'::regclass, 0, 'dummy', 'schema')",
    );
    let labels = |schema: &Schema| -> Vec<String> {
        let labels = schema.objects.iter().filter(|object| object.id.kind == Kind::SecurityLabel);
        labels.map(|object| object.definition.clone()).collect()
    };
    let first = schema(&one).await;
    assert!(first.refused.is_empty(), "{:?}", first.refused);
    let judge = psql(
        &one,
        "SELECT objtype, objname, provider, label FROM pg_seclabels WHERE objtype NOT IN ('database', 'role') ORDER BY 1, 2, 3",
    );
    assert_eq!(judge.lines().count(), 6, "{judge}");
    let written = labels(&first);
    assert_eq!(
        written,
        [
            "SECURITY LABEL FOR \"dum\"\"my\" ON TABLE public.t IS E'a ''label'' \\\\';\n",
            "SECURITY LABEL FOR \"dummy\" ON FUNCTION public.f(integer) IS 'function';\n",
            "SECURITY LABEL FOR \"dummy\" ON LARGE OBJECT 7 IS 'large';\n",
            "SECURITY LABEL FOR \"dummy\" ON SCHEMA s IS 'schema';\n",
            "SECURITY LABEL FOR \"dummy\" ON COLUMN public.t.\"a b\" IS 'column';\n",
            "SECURITY LABEL FOR \"dummy\" ON TYPE s.d IS 'type';\n",
        ]
    );
}
