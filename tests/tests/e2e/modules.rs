//! Modules that go each by itself, on each engine.

use tests::{Folder, Judge, Mariadb, Postgres, Sqlite};

fn module(folder: &Folder, name: &str, module: &str, requires: &str, text: &str) {
    let table = name.split_once('_').expect("a name").1;
    let text = format!("-- dbm: module {module}\n{requires}CREATE TABLE {table} (id INTEGER);\n{text}");
    folder.migration(name, &text, &format!("DROP TABLE {table};"));
}

/// What fails is put back, with what it had done; what needs it is told so; what others did stays, and what they wrote.
fn one_that_fails_stops_no_other(database: &impl Judge) {
    let url = database.address();
    database.run("CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);");
    let folder = Folder::new(&url);
    module(&folder, "001_first", "core", "", "");
    module(&folder, "002_pay", "pay", "", "INSERT INTO pay VALUES (1);\nINSERT INTO nowhere VALUES (1);\n");
    module(&folder, "003_hr", "hr", "-- dbm: requires 001\n", "INSERT INTO hr SELECT id FROM item;\n");
    module(&folder, "004_bonus", "bonus", "-- dbm: requires 002 003\n", "");
    module(&folder, "005_absence", "hr", "", "");
    std::fs::create_dir(folder.path().join("migrations/repeatable")).expect("a folder");
    std::fs::write(
        folder.path().join("migrations/repeatable/all.sql"),
        "DROP VIEW IF EXISTS every;\nCREATE VIEW every AS SELECT id FROM hr UNION ALL SELECT id FROM bonus;\n",
    )
    .expect("a view");
    let run = |more: &[&str]| {
        folder.dbm(&url, &["migrate", "--keep-going", "--accept-lost-writes", "--json"]).args(more).run()
    };
    let ended = run(&[]).expect(6);
    assert!(
        ended.stderr.contains("2 of 4 modules failed: pay, bonus; what the others did stays"),
        "{}",
        ended.stderr
    );
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a document");
    let modules = told["modules"].as_array().expect("modules");
    let names: Vec<&str> = modules.iter().map(|one| one["module"].as_str().expect("a name")).collect();
    assert_eq!(names, ["core", "pay", "hr", "bonus"]);
    assert!(modules[..3].iter().all(|one| one["report"]["backup"]["name"].is_string()), "{}", ended.stdout);
    assert!(modules[3]["report"]["error"].as_str().expect("why").contains("004_bonus requires 002"));
    let there = "SELECT number FROM dbm_history WHERE number > 0 ORDER BY number";
    assert_eq!(database.ask(there).replace('\n', " "), "1 3 5");
    assert_eq!(database.ask("SELECT count(*) FROM hr"), "1");
    let everything = database.everything();
    assert!(!everything.contains("pay") && everything.contains("absence"), "{everything}");

    module(&folder, "002_pay", "pay", "", "INSERT INTO pay VALUES (1);\n");
    let ended = run(&["--out-of-order"]).expect(0);
    assert!(ended.stdout.contains("\"module\": \"bonus\""), "{}", ended.stdout);
    assert_eq!(database.ask(there).replace('\n', " "), "1 2 3 4 5");
    assert_eq!(database.ask("SELECT count(*) FROM every"), "1");
    // One of them alone goes back and forth.
    let module = |verb: &str| {
        folder.dbm(&url, &[verb, "--module", "hr", "--accept-lost-writes"]).args(match verb {
            "rollback" => &["--all"][..],
            _ => &[],
        })
    };
    let refused = module("rollback").run().expect(1);
    assert!(refused.stderr.contains("004_bonus requires 003, and would stay"), "{}", refused.stderr);
    folder.dbm(&url, &["rollback", "1", "--module", "hr", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(database.ask(there).replace('\n', " "), "1 2 3 4");
    module("migrate").run().expect(0);
    assert_eq!(database.ask(there).replace('\n', " "), "1 2 3 4 5");
}

#[test]
fn on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    one_that_fails_stops_no_other(&Sqlite::new(folder.path().join("erp.db"), "VACUUM;"));
}

#[test]
fn on_postgres() {
    one_that_fails_stops_no_other(&Postgres::new("modules"));
}

#[test]
fn on_mariadb() {
    one_that_fails_stops_no_other(&Mariadb::new("modules"));
}
