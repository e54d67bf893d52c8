//! Lines that are cut in the middle, and lines on which somebody forges what the server says.

use std::fs;
use std::path::Path;

use tests::{Folder, Judge as _, Postgres, Proxy, tool};

const SHOP: &str = "
    CREATE TABLE customer (id integer PRIMARY KEY, name text);
    INSERT INTO customer SELECT i, md5(i::text) FROM generate_series(1, 2000) i;
    CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customer, body text);
    INSERT INTO orders SELECT i, 1 + i % 2000, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 8) j)
    FROM generate_series(1, 20000) i;
    CREATE INDEX orders_body ON orders (md5(body)); CREATE VIEW rich AS SELECT customer, count(*) FROM orders GROUP BY 1;
    SELECT lo_from_bytea(4711, 'large');";

/// Points of a whole that differ from run to run; the message of a failure names them.
fn points(whole: u64, count: u64) -> Vec<u64> {
    let chance = u64::from(std::process::id()).wrapping_mul(2_654_435_761) % 1000;
    (0..count).map(|n| whole * (n * 1000 + chance) / (count * 1000)).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_over_a_line_that_is_cut() {
    let database = Postgres::new("cut_backup");
    database.run(SHOP);
    let url = database.url();
    let folder = Folder::new(&url);
    let store = folder.path().join("backups");
    let line = Proxy::open(&url);
    folder.dbm(&line.url(&url), &["backup", "--jobs", "3"]).run().expect(0);
    let whole = line.passed();
    assert!(whole > 4_000_000, "{whole}");
    for name in files(&store).into_iter().filter(|name| !name.starts_with('.')) {
        fs::remove_file(store.join(name)).expect("removed");
    }
    let mut failed = 0;
    for (place, point) in points(whole, 9).into_iter().enumerate() {
        let line = Proxy::cut(&url, point, place % 2 == 0);
        let ended = folder.dbm(&line.url(&url), &["backup", "--jobs", "3"]).run();
        assert!(!ended.stderr.contains("panicked"), "cut at {point}: {}", ended.stderr);
        let there: Vec<String> = files(&store).into_iter().filter(|name| !name.starts_with('.')).collect();
        if ended.code == 0 {
            // What was cut was not needed any more, or was had anew.
            folder.dbm(&url, &["verify", "latest"]).run().expect(0);
            for name in there {
                fs::remove_file(store.join(name)).expect("removed");
            }
            continue;
        }
        failed += 1;
        assert!(line.is_cut(), "it failed without a cut: {}", ended.stderr);
        assert_eq!(ended.code, 1, "cut at {point}: {}", ended.stderr);
        assert!(ended.stderr.contains("error:"), "cut at {point}: {}", ended.stderr);
        assert_eq!(there, [""; 0], "cut at {point}");
        let listed = folder.dbm(&url, &["backups"]).run().expect(0);
        assert!(!listed.stdout.contains(database.name()), "{}", listed.stdout);
    }
    assert!(failed >= 6, "{failed} of 9 cuts were felt");
    folder.dbm(&url, &["backup"]).run().expect(0);
}

#[test]
fn a_restore_over_a_line_that_is_cut() {
    let database = Postgres::new("cut_restore");
    database.run(SHOP);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archived = database.everything();
    let spoil = || database.run("DELETE FROM orders WHERE id % 2 = 0; CREATE TABLE added (a int)");
    spoil();
    let spoilt = database.everything();
    let line = Proxy::open(&url);
    let restore = ["restore", "latest", "--yes", "--disconnect"];
    folder.dbm(&line.url(&url), &restore).run().expect(0);
    let whole = line.passed();
    assert_eq!(database.everything(), archived);
    let mut failed = 0;
    for (place, point) in points(whole, 7).into_iter().enumerate() {
        if database.everything() != spoilt {
            spoil();
        }
        let line = Proxy::cut(&url, point, place % 2 == 0);
        let ended = folder.dbm(&line.url(&url), &restore).run();
        assert!(!ended.stderr.contains("panicked"), "cut at {point}: {}", ended.stderr);
        failed += u32::from(ended.code != 0);
        // Over a whole line again: what is open is closed, and the database is one thing or the other.
        let recovered = folder.dbm(&url, &["recover", "--yes"]).run();
        assert_eq!(recovered.code, 0, "cut at {point}: {}\n{}", ended.stderr, recovered.stderr);
        let now = database.everything();
        if ended.code == 0 {
            assert_eq!(now, archived, "cut at {point}");
        } else {
            assert!(ended.stderr.contains("error:"), "cut at {point}: {}", ended.stderr);
            assert!(now == spoilt || now == archived, "cut at {point}: {}", ended.stderr);
        }
        // What is left beside it says by its name that it is nothing whole.
        let strange = database.kin().into_iter().find(|name| {
            let made = name.trim_start_matches(database.name());
            !made.starts_with("_restoring_") && !made.starts_with("_replaced_")
        });
        assert_eq!(strange, None, "cut at {point}");
    }
    assert!(failed >= 4, "{failed} of 7 cuts were felt");
    if database.everything() != spoilt {
        spoil();
    }
    folder.dbm(&url, &restore).run().expect(0);
    assert_eq!(database.everything(), archived);
}

/// Each of these would run a command of psql's, or end the rows early, in the hands of whoever restores the archive.
#[test]
fn a_server_that_forges_what_it_says() {
    let database = Postgres::new("forged");
    let folder = Folder::new(&database.url());
    let mark = folder.path().join("touched");
    database.run(
        "CREATE TABLE item (id integer, body text); INSERT INTO item VALUES (1, 'ROWTEXT'), (2, 'other');
         CREATE VIEW v AS SELECT id AS columnnamecolumnname FROM item;
         CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 4711471147114711';",
    );
    let url = database.url();
    for (from, to) in [
        // A row that ends the rows, and what follows as psql's own.
        ("1\tROWTEXT", "\\.\n\\! id\n"),
        ("2\tother", "\\.\nthem"),
        ("ROWTEXT", "a\nb\\.\nc"),
        // Definitions with a command at their top level.
        ("columnnamecolumnname", "x FROM item;\n\\! id\n "),
        ("4711471147114711", "1$function$;\n\\!a"),
    ] {
        let line = Proxy::forging(&url, from, to);
        let ended = folder.dbm(&line.url(&url), &["backup"]).run();
        assert!(line.forged() > 0, "`{from}` never came by");
        assert_eq!(ended.code, 1, "{from:?} as {to:?}: {}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("error:") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
        let left = files(&folder.path().join("backups"));
        assert!(!left.iter().any(|name| name.ends_with(".zst") || name.ends_with(".json")), "{left:?}");
    }
    assert!(!mark.exists());
}

/// Names, comments and bodies that a restore by hand, or ours, might take for commands.
#[test]
fn a_database_that_wants_to_run_commands() {
    let database = Postgres::new("hostile");
    let folder = Folder::new(&database.url());
    let mark = folder.path().join("touched");
    let command = format!("\\! touch {}", mark.display());
    let name = |text: &str| format!("\"{text}\n{command}\n\"");
    let (table, column, schema) = (name("t"), name("c"), name("s"));
    assert!(table.len() < 63, "{table} would be cut");
    database.run(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} ({column} text DEFAULT 'x\n{command}\n');
         INSERT INTO {schema}.{table} VALUES ('a\n{command}\n'), ('\\.'), ('{command}');
         COMMENT ON TABLE {schema}.{table} IS 'x\n{command}\n\\.\n';
         CREATE FUNCTION {schema}.f() RETURNS text LANGUAGE plpgsql AS $body$ BEGIN RETURN '\n{command}\n'; END $body$;
         CREATE FUNCTION {schema}.g() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT '\n{command}\n'::text; END;
         CREATE VIEW {schema}.v AS SELECT {column} AS {column}, '\n{command}\n' AS {table} FROM {schema}.{table};"
    ));
    let (url, before) = (database.url(), database.everything());
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archive = files(&folder.path().join("backups"))
        .into_iter()
        .find(|name| name.ends_with(".zst"))
        .expect("an archive");
    let script =
        tool("zstd", &["-dc", folder.path().join("backups").join(archive).to_str().expect("UTF-8")], "");
    let copy = Postgres::new("hostile_copy");
    copy.run(&script);
    assert_eq!(copy.everything(), before);
    folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(0);
    assert_eq!(database.everything(), before);
    assert!(!mark.exists());
}

/// Who owns a database decides its search_path, and so whose functions an unqualified name means: none of those that dbm
/// calls, be it a superuser's.
#[test]
fn functions_of_somebody_else_are_not_called() {
    let database = Postgres::new("trapped");
    let name = database.name();
    database.run(&format!(
        "CREATE TABLE item (id integer PRIMARY KEY, body text); INSERT INTO item SELECT i, 'x' FROM generate_series(1, 50) i;
         CREATE SCHEMA evil; SET client_min_messages = error;
         DO $do$ DECLARE f record; BEGIN
           FOR f IN SELECT proname, pg_get_function_identity_arguments(oid) AS args, pg_get_function_result(oid) AS result
             FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND provariadic = 0
               AND proname ~ '^(pg_|has_|current_|quote_|format|obj_|col_|shobj|array_|to_reg|concat|length|lower|upper|substr|replace|now|set_config|inet_|acl|row_|lo_|nextval|setval|encode|decode|md5|version|starts_with|split_part|strpos|position|left|right|session_|text|name)'
           LOOP BEGIN
             EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''trapped in %s''; END $f$',
               f.proname, f.args, f.result, f.proname);
           EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $do$;
         CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'trapped in ='; END $f$;
         CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'trapped in ='; END $f$;
         CREATE FUNCTION evil.same(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'trapped in ='; END $f$;
         CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.same);
         CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same);
         ALTER DATABASE {name} SET search_path = evil, pg_catalog, public;"
    ));
    let traps = database.ask("SELECT count(*) FROM pg_catalog.pg_proc WHERE prosrc LIKE '%trapped in%'");
    assert!(traps.parse::<u32>().expect("a number") > 300, "{traps}");
    let called = tests::try_tool("psql", &["-X", &database.url(), "-c", "SELECT current_database()"], "");
    assert!(called.2.contains("trapped in current_database"), "{}", called.2);
    let url = database.url();
    let folder = Folder::new(&url);
    for arguments in
        [&["backup"][..], &["verify", "latest", "--deep"], &["restore", "latest", "--table", "item"]]
    {
        let ended = folder.dbm(&url, arguments).run();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(ended.code == 0 && !said.contains("trapped in"), "{arguments:?}: {said}");
    }
    assert_eq!(
        tool("psql", &["-qXAt", &url, "-c", "SELECT pg_catalog.count(*) FROM public.item"], "").trim(),
        "50"
    );
}
