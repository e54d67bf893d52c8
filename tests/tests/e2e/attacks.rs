//! Attempts to break the promise: each of them once succeeded, or came close.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::{Folder, Judge as _, Postgres, Sqlite, tool};

/// The one archive of a folder's store.
fn archive(folder: &Folder) -> String {
    let entries = fs::read_dir(folder.path().join("backups")).expect("the store");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".zst")).min().expect("an archive")
}

/// A database that is not there is made whole or not at all, whenever the restore is killed.
#[test]
fn a_killed_restore_leaves_no_half_database_of_that_name() {
    let database = Postgres::new("missing");
    database.run(
        "CREATE TABLE item AS SELECT i, repeat(md5(i::text), 20) AS body FROM generate_series(1, 60000) i",
    );
    let (url, before) = (database.url(), database.everything());
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archive = archive(&folder);
    let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", database.name());
    let server = database.url_of("postgres");
    let ask = |query: &str| tool("psql", &["-qXAt", &server, "-c", query], "").trim_end().to_owned();
    let (mut killed, mut whole) = (0, 0);
    for after in [100, 300, 500, 700, 900, 1200, 60_000] {
        ask(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name()));
        let dbm = folder.dbm(&url, &["restore", &archive, "--yes"]);
        let ended = if after == 60_000 {
            Some(dbm.run().expect(0))
        } else {
            dbm.run_and_kill(Duration::from_millis(after))
        };
        killed += u32::from(ended.is_none());
        // What a killed client has sent may still be under way.
        std::thread::sleep(Duration::from_millis(500));
        if ask(&there) == "1" {
            whole += 1;
            assert_eq!(database.everything(), before, "killed after {after} ms");
        }
    }
    assert!(killed > 0 && whole > 0, "{killed} killed, {whole} whole");
}

/// The same of a file; and the file is the one that the URL names, with its ending.
#[test]
fn a_missing_file_is_restored_whole_or_not_at_all() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("app.sqlite");
    let database = Sqlite::new(
        path.clone(),
        "CREATE TABLE item (body BLOB); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO item SELECT randomblob(300) FROM n;",
    );
    let (url, before) = (database.url(), database.ask("SELECT count(*), sum(length(body)) FROM item"));
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archive = archive(&folder);
    let beside = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let mut killed = 0;
    for after in [20, 50, 90, 140, 200, 60_000] {
        for name in beside(scratch.path()) {
            fs::remove_file(scratch.path().join(name)).expect("removed");
        }
        let dbm = folder.dbm(&url, &["restore", &archive, "--yes"]);
        if after == 60_000 {
            dbm.run().expect(0);
            assert!(path.exists(), "{:?}", beside(scratch.path()));
        } else {
            killed += u32::from(dbm.run_and_kill(Duration::from_millis(after)).is_none());
        }
        if path.exists() {
            assert_eq!(database.ask("SELECT count(*), sum(length(body)) FROM item"), before, "{after} ms");
            assert_eq!(database.ask("PRAGMA integrity_check"), "ok");
        }
        let strange = beside(scratch.path())
            .into_iter()
            .find(|name| name != "app.sqlite" && !name.contains("_restoring_") && !name.ends_with("-dbm"));
        assert_eq!(strange, None);
    }
    assert!(killed > 0);
}

/// What a file outside a transaction leaves set in the session is not in the way of the way back.
#[test]
fn a_role_that_a_failed_file_has_taken_does_not_stop_the_restore() {
    let texts = [
        "SET ROLE pg_monitor;",
        "SET default_transaction_read_only = on;",
        "SET SESSION AUTHORIZATION pg_monitor;",
        "SELECT pg_advisory_unlock_all();",
        "DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || chr(100) || 'bm CASCADE'; END $$;",
    ];
    for text in texts {
        let database = Postgres::new("role");
        database.run("CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1)");
        let (url, before) = (database.url(), database.everything());
        let folder = Folder::new(&url);
        let file =
            format!("-- dbm: no-transaction\nCREATE TABLE more (id INTEGER);\n{text}\nSELECT 1 / 0;\n");
        folder.migration("001_role", &file, "DROP TABLE more;");
        folder.dbm(&url, &["migrate", "--accept-lost-writes"]).run().expect(3);
        assert_eq!(database.everything(), before, "{text}");
        folder.dbm(&url, &["recover"]).run().expect(0);
        assert_eq!(database.everything(), before, "{text}");
    }
}

/// A role that a file takes is not the one that writes the history.
#[test]
fn a_file_may_end_in_another_role() {
    let database = Postgres::new("role");
    database.run("CREATE SCHEMA theirs; GRANT CREATE, USAGE ON SCHEMA theirs TO pg_monitor");
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration(
        "001_role",
        "SET ROLE pg_monitor;\nCREATE TABLE theirs.more (id INTEGER);\n",
        "DROP TABLE theirs.more;",
    );
    folder.migration("002_next", "CREATE TABLE ours (id INTEGER);\n", "DROP TABLE ours;");
    folder.dbm(&url, &["migrate"]).run().expect(0);
    let owners = "SELECT string_agg(tablename || ' ' || tableowner, ',' ORDER BY 1) FROM pg_tables WHERE tablename IN ('ours', 'more')";
    assert!(database.ask(owners).contains("more pg_monitor"));
    assert!(!database.ask(owners).contains("ours pg_monitor"));
    assert_eq!(database.ask("SELECT count(*) FROM dbm_history WHERE number > 0"), "2");
}

/// The pragmas of a file that failed are not in the way, and the journal's mode is part of what is put back.
#[test]
fn pragmas_of_a_failed_file_are_put_back() {
    let cases = [
        ("delete", "PRAGMA journal_mode = WAL;"),
        ("wal", "PRAGMA journal_mode = DELETE;"),
        ("delete", "PRAGMA locking_mode = EXCLUSIVE;"),
        ("wal", "PRAGMA locking_mode = EXCLUSIVE;"),
        ("wal", "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL;"),
        ("delete", "PRAGMA synchronous = OFF; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL;"),
    ];
    for (mode, text) in cases {
        for writers in ["--fence", "--accept-lost-writes"] {
            let scratch = tempfile::tempdir().expect("a folder");
            let script = format!(
                "PRAGMA journal_mode = {mode}; CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);"
            );
            let database = Sqlite::new(scratch.path().join("app.sqlite"), &script);
            let (url, before) = (database.url(), database.everything());
            let folder = Folder::new(&url);
            folder.migration(
                "001_pragma",
                &format!("{text}\nCREATE TABLE more (id);\nSELECT nothing;\n"),
                "DROP TABLE more;",
            );
            folder.dbm(&url, &["migrate", writers]).run().expect(3);
            assert_eq!(database.everything(), before, "{text}");
            assert_eq!(database.ask("PRAGMA journal_mode"), mode, "{text} {writers}");
            assert_eq!(database.ask("PRAGMA page_size"), "4096", "{text} {writers}");
            assert_eq!(database.ask("PRAGMA integrity_check"), "ok");
        }
    }
}

/// One file's temporary table does not hide the next one's table.
#[test]
fn a_temporary_table_ends_with_its_file() {
    let scratch = tempfile::tempdir().expect("a folder");
    let script = "CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);";
    let database = Sqlite::new(scratch.path().join("app.sqlite"), script);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration(
        "001_first",
        "CREATE TEMP TABLE item AS SELECT 5 AS id; CREATE TEMP VIEW v AS SELECT 1;",
        "SELECT 1;",
    );
    folder.migration("002_next", "UPDATE item SET id = id + 1; CREATE TEMP VIEW v AS SELECT 2;", "SELECT 1;");
    folder.dbm(&url, &["migrate"]).run().expect(0);
    assert_eq!(database.ask("SELECT id FROM item"), "2");
}

const ALONE: &str = "-- dbm: no-transaction\nCREATE TABLE more (id INTEGER);\n";

/// The journal of one file does not undo what is in another that has its path now.
#[test]
fn another_file_is_not_recovered_by_the_journal_beside_it() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("app.sqlite");
    let database = Sqlite::new(path.clone(), "CREATE TABLE item (id INTEGER);");
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration("001_alone", ALONE, "DROP TABLE more;");
    let migrate = folder.dbm(&url, &["migrate", "--accept-lost-writes"]);
    assert_eq!(migrate.env("DBM_TEST_STOP_AT", "apply-1:after").run().code, -1);
    fs::rename(&path, scratch.path().join("away.sqlite")).expect("renamed");
    let other = Sqlite::new(path.clone(), "CREATE TABLE other (id INTEGER); INSERT INTO other VALUES (7);");
    let refused = folder.dbm(&url, &["recover", "--yes"]).run();
    assert_ne!(refused.code, 0, "{}", refused.stderr);
    assert!(refused.stderr.contains("another database"), "{}", refused.stderr);
    assert_eq!(other.ask("SELECT id FROM other"), "7");
    fs::rename(scratch.path().join("away.sqlite"), &path).expect("renamed");
    folder.dbm(&url, &["recover", "--yes"]).run().expect(0);
}

/// The file of lock and journal, removed in the middle of a run, comes back whole.
#[test]
fn a_journal_that_is_removed_during_the_run_comes_back() {
    for (last, code, tables) in [("SELECT nothing;", 3, "item"), ("SELECT 1;", 0, "item,more,slow")] {
        let scratch = tempfile::tempdir().expect("a folder");
        let database = Sqlite::new(scratch.path().join("app.sqlite"), "CREATE TABLE item (id INTEGER);");
        let url = database.url();
        let journal = scratch.path().join("app.sqlite-dbm");
        let folder = Folder::new(&url);
        folder.migration("001_alone", ALONE, "DROP TABLE more;");
        let slow = "-- dbm: no-transaction\nCREATE TABLE slow AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                    WHERE i < 9000000) SELECT count(*) FROM n;\n";
        folder.migration("002_slow", &format!("{slow}{last}"), "DROP TABLE slow;");
        let child = folder.dbm(&url, &["migrate", "--accept-lost-writes"]).spawn();
        while !fs::read_to_string(&journal).unwrap_or_default().contains("\"group\":2") {
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::remove_file(&journal).expect("removed");
        tests::Ended::of(child).expect(code);
        let names = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'dbm%' ORDER BY 1)";
        assert_eq!(database.ask(names), tables);
        folder.dbm(&url, &["recover"]).run().expect(0);
        assert!(fs::read_to_string(&journal).expect("the journal").contains("begin"));
    }
}

/// Behind a fence too, the database is put back in place, and its privileges, settings and comment with it.
#[test]
fn in_place_behind_a_fence() {
    let role = format!("owner_{}", std::process::id());
    let effective = "SELECT array_agg(item ORDER BY item::text)::text FROM pg_database d,
                     unnest(coalesce(d.datacl, acldefault('d', d.datdba))) item WHERE datname = current_database()";
    let settings = "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for grants in [
        "",
        "GRANT CONNECT ON DATABASE NAME TO pg_monitor; REVOKE ALL ON DATABASE NAME FROM PUBLIC;",
        "COMMENT ON DATABASE NAME IS 'kept'; ALTER DATABASE NAME SET work_mem = '5MB';",
    ] {
        let database = Postgres::new("in_place");
        let name = database.name().to_owned();
        let make = format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN NOCREATEDB; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             ALTER DATABASE {name} OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role};
             SET ROLE {role}; CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);"
        );
        database.run(&format!("{make}{}", grants.replace("NAME", &name)));
        let url = database.url().replace("postgres@", &format!("{role}@"));
        let (before, acl) = (database.everything(), database.ask(effective));
        let (was_set, said) = (
            database.ask(settings),
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
        );
        let comment = database.ask(said);
        let folder = Folder::new(&url);
        let changes = format!(
            "ALTER DATABASE {name} SET statement_timeout = '1h'; ALTER DATABASE {name} CONNECTION LIMIT 7;
             COMMENT ON DATABASE {name} IS 'changed'; GRANT TEMPORARY ON DATABASE {name} TO pg_read_all_stats;"
        );
        let text = format!("-- dbm: no-transaction\nDELETE FROM item;\n{changes}\nSELECT 1 / 0;\n");
        folder.migration("001_alone", &text, "SELECT 1;");
        let run = ["migrate", "--fence", "--allow-server-wide"];
        let same = || {
            assert_eq!(database.everything(), before);
            assert_eq!(database.ask(effective), acl);
            assert_eq!(database.ask(settings), was_set);
            assert_eq!(database.ask(said), comment);
        };
        // Twice: once a fence was up, the privileges are written out.
        for _ in 0..2 {
            folder.dbm(&url, &run).run().expect(3);
            same();
        }
        for at in [
            "apply-1:after",
            "back-up-first:after",
            "restore:noted",
            "restore:after",
            "lift-fence:noted",
            "lift-fence:after",
        ] {
            assert_eq!(folder.dbm(&url, &run).env("DBM_TEST_STOP_AT", at).run().code, -1, "{at}");
            folder.dbm(&url, &["recover", "--yes"]).run().expect(0);
            same();
        }
        database.run(&format!("ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {role};"));
    }
}

/// Whoever may create in the database makes dbm's tables before dbm does, with code that an administrator's run would
/// execute: it is refused before anything is written, and the code never runs.
#[test]
fn tables_that_somebody_else_made_under_dbms_names_are_refused() {
    let database = Postgres::new("planted");
    let (url, mallory) = (database.url(), format!("{}_mallory", database.name()));
    let trap = |table: &str| {
        format!(
            "CREATE FUNCTION s.spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE {mallory} SUPERUSER'; RETURN NEW; END $$;
             GRANT ALL ON SCHEMA s TO PUBLIC; GRANT ALL ON {table} TO PUBLIC;
             CREATE TRIGGER spring BEFORE INSERT OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION s.spring();"
        )
    };
    database.run(&format!(
        "CREATE ROLE {mallory} LOGIN; GRANT CREATE ON DATABASE {} TO {mallory}; GRANT CREATE ON SCHEMA public TO {mallory}",
        database.name()
    ));
    let folder = Folder::new(&url);
    folder.migration("001_a", "CREATE TABLE public.a (x int);", "DROP TABLE public.a;");
    let places = "CREATE SCHEMA dbm; GRANT ALL ON SCHEMA dbm TO PUBLIC;
        CREATE TABLE dbm.journal (run text NOT NULL, number int NOT NULL, entry text NOT NULL, PRIMARY KEY (run, number));
        CREATE TABLE dbm.committed (run text NOT NULL, part int NOT NULL, PRIMARY KEY (run, part));";
    let columns =
        "number bigint PRIMARY KEY, position bigint, name text, module text, checksum text, algorithm text,
        rollback text, state text, applied_at text, applied_by text, duration_ms bigint, run text, dbm text";
    let history = format!("CREATE TABLE public.dbm_history ({columns});");
    let view = "CREATE VIEW public.dbm_history AS SELECT NULL::bigint AS number".to_owned();
    let default = format!("CREATE TABLE public.dbm_history ({columns}, more int DEFAULT s.number());");
    for (planted, owner, said) in [
        (format!("{places}{}", trap("dbm.journal")), true, "belongs to"),
        (format!("{places}{}", trap("dbm.committed")), false, "has the trigger spring"),
        (format!("{history}{}", trap("public.dbm_history")), true, "belongs to"),
        (format!("{history}{}", trap("public.dbm_history")), false, "has the trigger spring"),
        (view, false, "is no plain table"),
        (
            format!("CREATE FUNCTION s.number() RETURNS int LANGUAGE sql AS 'SELECT 1'; {default}"),
            false,
            "has a default",
        ),
    ] {
        let as_whom = if owner { format!("SET ROLE {mallory};") } else { String::new() };
        database.run(&format!("{as_whom} CREATE SCHEMA s; {planted}"));
        for arguments in [&["migrate", "--safe"][..], &["rollback", "--all"], &["recover", "--yes"]] {
            let ended = folder.dbm(&url, arguments).run().expect(1);
            assert!(
                ended.stderr.contains(said) && ended.stderr.contains("hint:"),
                "{said}: {}",
                ended.stderr
            );
        }
        let sprung = database.ask(&format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{mallory}'"));
        assert_eq!(sprung, "f", "{planted}");
        database.run(
            "DROP SCHEMA IF EXISTS dbm CASCADE; DROP SCHEMA s CASCADE;
             DO $$ BEGIN EXECUTE (SELECT format('DROP %s public.dbm_history', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END)
               FROM pg_class WHERE oid = to_regclass('public.dbm_history'));
             EXCEPTION WHEN null_value_not_allowed THEN NULL; END $$",
        );
    }
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    database.run(&format!("DROP OWNED BY {mallory}; DROP ROLE {mallory}"));
}

/// What an administrator has begun, the database's owner goes on with.
#[test]
fn the_owner_goes_on_where_an_administrator_began() {
    let database = Postgres::new("begun");
    let (name, owner) = (database.name(), format!("{}_owner", database.name()));
    database.run(&format!("CREATE ROLE {owner} LOGIN; ALTER DATABASE {name} OWNER TO {owner}"));
    let (url, own) = (database.url(), database.url().replace("//postgres@", &format!("//{owner}@")));
    let folder = Folder::new(&url);
    folder.migration("001_a", "CREATE TABLE public.a (x int);", "DROP TABLE public.a;");
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    folder.migration("002_b", "CREATE TABLE public.b (x int);", "DROP TABLE public.b;");
    database.run(&format!("ALTER TABLE a OWNER TO {owner}"));
    folder.dbm(&own, &["status"]).run().expect(0);
    folder.dbm(&own, &["migrate", "--safe"]).run().expect(0);
    folder.dbm(&own, &["rollback", "--all"]).run().expect(0);
    database.run("ALTER SCHEMA dbm OWNER TO pg_database_owner");
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    database
        .run(&format!("ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {owner}; DROP ROLE {owner}"));
}

/// Whoever may write to a namespace that comes before the system's in the `search_path` owns the words of an unqualified
/// statement: none of dbm's own takes any from there.
#[test]
fn a_hostile_search_path_owns_no_statement_of_dbm() {
    let database = Postgres::new("hostile");
    // Every operator and function of the system again, each of which tells who called it.
    database.run(
        "CREATE SCHEMA evil;
         DO $outer$ DECLARE it record; args text; BEGIN
           FOR it IN SELECT o.oid, oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS res
                       FROM pg_operator o JOIN pg_type a ON a.oid = oprleft JOIN pg_type b ON b.oid = oprright
                       JOIN pg_type c ON c.oid = oprresult
                      WHERE oprnamespace = 'pg_catalog'::regnamespace AND 'p' NOT IN (a.typtype, b.typtype, c.typtype) LOOP
             EXECUTE format('CREATE FUNCTION evil.\"op %s\"(%s, %s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION ''hijacked by %s: %%'', pg_catalog.current_query(); END $$', it.oid, it.l, it.r, it.res, replace(it.oprname, '%', '%%'));
             EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.\"op %s\")', it.oprname, it.l, it.r, it.oid);
           END LOOP;
           FOR it IN SELECT p.oid, proname, prokind, array_to_string(proargtypes::regtype[], ', ') AS args, prorettype::regtype AS res
                       FROM pg_proc p JOIN pg_type t ON t.oid = prorettype
                      WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND t.typtype <> 'p' AND NOT proretset
                        AND NOT EXISTS (SELECT FROM unnest(proargtypes) x JOIN pg_type a ON a.oid = x WHERE a.typtype = 'p')
                        AND provariadic = 0 LOOP
             IF it.prokind = 'f' THEN
               EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION ''hijacked by %s: %%'', pg_catalog.current_query(); END $$', it.proname, it.args, it.res, it.proname);
             ELSE
               EXECUTE format('CREATE FUNCTION evil.\"agg %s\"(%s) RETURNS pg_catalog.int8 LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION ''hijacked by %s: %%'', pg_catalog.current_query(); END $$', it.oid, concat_ws(', ', 'pg_catalog.int8', nullif(it.args, '')), it.proname);
               EXECUTE format('CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.\"agg %s\", STYPE = pg_catalog.int8, INITCOND = 0)',
                 it.proname, coalesce(nullif(it.args, ''), '*'), it.oid);
             END IF;
           END LOOP; END $outer$;",
    );
    let (name, url) = (database.name(), database.url());
    database.run(&format!("ALTER DATABASE {name} SET search_path = evil, public, pg_catalog"));
    let called = tests::try_tool("psql", &["-qX", &url, "-c", "SELECT oid = 1 FROM pg_catalog.pg_class"], "");
    assert!(called.2.contains("hijacked by ="), "{}", called.2);
    let folder = Folder::new(&url);
    folder.migration("001_a", "CREATE TABLE public.a (x pg_catalog.int4);", "DROP TABLE public.a;");
    folder.migration(
        "002_b",
        "-- dbm: no-transaction\n-- dbm: unless column public.a.y\nALTER TABLE public.a ADD COLUMN y pg_catalog.int4;\n\
         -- dbm: verify\nSELECT true;",
        "-- dbm: no-transaction\nALTER TABLE public.a DROP COLUMN y;",
    );
    let go = |arguments: &[&str], code: i32| {
        let ended = folder.dbm(&url, arguments).run();
        assert!(!ended.stderr.contains("hijacked"), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stdout.contains("hijacked"), "{arguments:?}: {}", ended.stdout);
        ended.expect(code);
    };
    go(&["status", "--tables"], 0);
    go(&["migrate", "--safe", "--fence"], 0);
    for reading in
        [&["status", "--tables"][..], &["history"], &["current"], &["check"], &["doctor"], &["backup"]]
    {
        go(reading, 0);
    }
    go(&["rollback", "1", "--accept-lost-writes"], 0);
    folder.migration(
        "002_b",
        "-- dbm: no-transaction\nDROP TABLE public.a;\nSELECT nothing;",
        "SELECT true;",
    );
    go(&["migrate", "--safe", "--fence"], 3);
    go(&["restore", "latest", "--yes"], 0);
}
