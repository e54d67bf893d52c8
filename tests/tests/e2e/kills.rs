//! `kill -9` at every step of the journal and at random times, with a writer beside it.
//!
//! After recovery the schema and every table but the ledger is exactly what it was or exactly what
//! was asked for; what was committed stays; each acknowledged row is in the database or in a replaced one.

mod mariadb;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use tests::{Ended, Folder, Judge, LEDGER, Postgres, Sqlite, Writer, tool};

/// How many kills at random times each engine takes at least, on top of the ones at each step.
const RANDOM_KILLS: u32 = 100;

/// One engine's way of giving every kill a fresh database of the same content.
trait Bench {
    type Database: Judge;
    /// A fresh one with the base content.
    fn fresh(&self) -> Self::Database;
    fn writer(&self, database: &Self::Database) -> Writer;
    /// What else is there of it, by the names that a report gives: databases, files.
    fn kept(&self, database: &Self::Database) -> Vec<String>;
    /// The ledger's entries in one of those.
    fn ledger_in(&self, database: &Self::Database, kept: &str) -> String;
    /// What is wrong with what must hold besides, such as counters that fell behind.
    fn complaints(&self, database: &Self::Database) -> Vec<String>;
    /// A file that cannot run in a transaction, and its rollback.
    fn alone(&self) -> (&'static str, &'static str);
    /// Whether a fence stays up when the process that raised it is killed.
    fn fence_outlives_process(&self) -> bool;
}

const BASE: &str = "
    CREATE TABLE item (id ${identity}, name VARCHAR(50) NOT NULL, amount INTEGER);
    INSERT INTO item (name, amount) VALUES ('one', 1), ('two', 2), ('three', 3);
    CREATE TABLE note (item BIGINT REFERENCES item (id), body TEXT);
    INSERT INTO note VALUES (1, 'first'), (2, 'it''s \\ second');
";

struct OnPostgres {
    base: Postgres,
}

impl OnPostgres {
    fn new() -> Self {
        let base = Postgres::new("kills");
        Judge::run(&base, &format!("{LEDGER}{}", BASE.replace("${identity}", base.identity())));
        base.run(
            "CREATE VIEW names AS SELECT name FROM item;
             INSERT INTO note SELECT 1 + i % 3, repeat('x', 200) FROM generate_series(1, 3000) i;
             DO $$ BEGIN CREATE ROLE dbm_test_writer LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
             GRANT INSERT ON ledger TO dbm_test_writer;",
        );
        Self { base }
    }
}

impl Bench for OnPostgres {
    type Database = Postgres;

    fn fresh(&self) -> Postgres {
        self.base.copy("killed")
    }

    fn writer(&self, database: &Postgres) -> Writer {
        // No superuser: nobody can keep one out.
        Writer::postgres(database.url().replace("postgres@", "dbm_test_writer@"))
    }

    fn kept(&self, database: &Postgres) -> Vec<String> {
        database.kin()
    }

    fn ledger_in(&self, database: &Postgres, kept: &str) -> String {
        tool("psql", &["-qXAt", &database.url_of(kept), "-c", "SELECT entry FROM ledger"], "")
    }

    fn complaints(&self, database: &Postgres) -> Vec<String> {
        let mut complaints = Vec::new();
        let behind = database.ask("SELECT (SELECT max(id) FROM item) > (SELECT last_value FROM item_id_seq)");
        if behind != "f" {
            complaints.push("the sequence of item.id is behind".to_owned());
        }
        let invalid = database.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid");
        if invalid != "0" {
            complaints.push(format!("{invalid} invalid indexes"));
        }
        let fenced = "SELECT coalesce(datacl, acldefault('d', datdba))::text <> acldefault('d', datdba)::text
            FROM pg_database WHERE datname = current_database()";
        if database.ask(fenced) != "f" {
            complaints.push("the database's privileges are not what they were".to_owned());
        }
        for name in database.kin() {
            if !name.contains("_replaced_") {
                complaints.push(format!("{name} was left behind"));
            }
        }
        complaints
    }

    fn alone(&self) -> (&'static str, &'static str) {
        (
            "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY item_name_idx ON item (name);\n",
            "-- dbm: no-transaction\nDROP INDEX CONCURRENTLY item_name_idx;\n",
        )
    }

    fn fence_outlives_process(&self) -> bool {
        true
    }
}

struct OnSqlite {
    folder: tempfile::TempDir,
}

impl OnSqlite {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }
}

impl Bench for OnSqlite {
    type Database = Sqlite;

    fn fresh(&self) -> Sqlite {
        for entry in fs::read_dir(self.folder.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            // What a killed backup leaves is a folder, which the next one would sweep.
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.expect("removed");
        }
        let path = self.folder.path().join("killed.db");
        let base = BASE.replace("${identity}", "INTEGER PRIMARY KEY AUTOINCREMENT");
        Sqlite::new(path, &format!("PRAGMA journal_mode=WAL; BEGIN; {LEDGER}{base} COMMIT;"))
    }

    fn writer(&self, database: &Sqlite) -> Writer {
        Writer::sqlite(database.path().to_owned())
    }

    fn kept(&self, _: &Sqlite) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.contains("_replaced_") && !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect()
    }

    fn ledger_in(&self, _: &Sqlite, kept: &str) -> String {
        let path = self.folder.path().join(kept);
        tool("sqlite3", &[path.to_str().expect("UTF-8"), "SELECT entry FROM ledger"], "")
    }

    fn complaints(&self, database: &Sqlite) -> Vec<String> {
        let integrity = database.ask("PRAGMA integrity_check");
        let mut complaints = Vec::new();
        if integrity != "ok" {
            complaints.push(integrity);
        }
        complaints
    }

    fn alone(&self) -> (&'static str, &'static str) {
        ("VACUUM;\n", "VACUUM;\n")
    }

    fn fence_outlives_process(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    /// It succeeds when it is not killed.
    After,
    /// It fails in its last file when it is not killed, and is put back.
    Before,
}

struct Scenario {
    name: &'static str,
    wanted: Wanted,
    files: Vec<(&'static str, String, &'static str)>,
    /// What happens before the command that is killed: calls of `dbm`, then SQL.
    calls: &'static [&'static [&'static str]],
    sql: &'static str,
    arguments: &'static [&'static str],
}

const FIRST: &str = "ALTER TABLE item ADD COLUMN weight INTEGER;\nUPDATE item SET weight = id * 10;\n";
// Not into `item`: a sequence that a rolled back attempt has moved on would give the row another number.
const LAST: &str = "INSERT INTO note VALUES (1, 'four');\n-- dbm: verify\nSELECT count(*) = 1 FROM note WHERE body = 'four';\n";
const ACCEPT: &[&str] = &["migrate", "--safe", "--accept-lost-writes"];

fn scenarios(bench: &impl Bench) -> Vec<Scenario> {
    let (alone, alone_back) = bench.alone();
    let first = ("001_weight", FIRST.to_owned(), "ALTER TABLE item DROP COLUMN weight;");
    let alone = ("002_alone", alone.to_owned(), alone_back);
    let last = ("003_four", LAST.to_owned(), "DELETE FROM note WHERE body = 'four';");
    let one = ("002_four", LAST.to_owned(), "DELETE FROM note WHERE body = 'four';");
    let broken = (
        "003_broken",
        "INSERT INTO item (name) VALUES ('x');\nSELECT nothing FROM nowhere;\n".to_owned(),
        "SELECT 1;",
    );
    let three = vec![first.clone(), alone.clone(), last];
    let failing = vec![first.clone(), alone, broken];
    let scenario =
        |name, wanted, files, arguments| Scenario { name, wanted, files, calls: &[], sql: "", arguments };
    vec![
        scenario("one group", Wanted::After, vec![first, one], ACCEPT),
        scenario("groups", Wanted::After, three.clone(), ACCEPT),
        scenario("failing", Wanted::Before, failing.clone(), ACCEPT),
        Scenario {
            calls: &[ACCEPT],
            ..scenario("rollback", Wanted::After, three, &["rollback", "--all", "--accept-lost-writes"])
        },
        Scenario {
            calls: &[&["backup"]],
            sql: "DELETE FROM note; UPDATE item SET amount = 0; DROP TABLE IF EXISTS gone;",
            ..scenario("restore", Wanted::After, vec![], &["restore", "latest", "--disconnect", "--yes"])
        },
        scenario(FENCED, Wanted::Before, failing, &["migrate", "--safe", "--fence"]),
    ]
}

/// Where a fence kept the writer out to the end, nothing that it wrote may be in a replaced database only.
const FENCED: &str = "fenced";

/// What the database is when nobody kills, before and after.
struct Ends {
    before: String,
    after: String,
    length: Duration,
    steps: Vec<String>,
}

fn folder_of(scenario: &Scenario, database: &impl Judge) -> Folder {
    let url = database.address();
    let folder = Folder::new(&url);
    for (name, text, rollback) in &scenario.files {
        folder.migration(name, text, rollback);
    }
    for call in scenario.calls {
        folder.dbm(&url, call).run().expect(0);
    }
    if !scenario.calls.is_empty() {
        fs::remove_dir_all(folder.path().join("logs")).expect("the log of what came before");
    }
    if !scenario.sql.is_empty() {
        database.run(scenario.sql);
    }
    folder
}

fn unkilled<B: Bench>(bench: &B, scenario: &Scenario) -> Ends {
    let database = bench.fresh();
    let url = database.address();
    let folder = folder_of(scenario, &database);
    let before = database.everything();
    let start = Instant::now();
    let code = if scenario.wanted == Wanted::After { 0 } else { 3 };
    folder.dbm(&url, scenario.arguments).run().expect(code);
    let length = start.elapsed();
    let after = database.everything();
    assert_eq!(after == before, scenario.wanted == Wanted::Before, "{}: {after}", scenario.name);
    let log = fs::read_to_string(folder.path().join("logs/migration.log")).expect("the log");
    let mut steps = Vec::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a whole line of JSON");
        if let Some(step) = line["step"].as_str().filter(|step| !steps.iter().any(|known| known == step)) {
            steps.push(step.to_owned());
        }
    }
    assert!(steps.len() >= 3, "the log names the steps: {log}");
    Ends { before, after, length, steps }
}

/// Where a kill falls.
enum Kill {
    At(String),
    After(Duration),
}

fn kill_once<B: Bench>(bench: &B, scenario: &Scenario, ends: &Ends, kill: &Kill) {
    let database = bench.fresh();
    let url = database.address();
    let folder = folder_of(scenario, &database);
    let writer = bench.writer(&database);
    let dbm = folder.dbm(&url, scenario.arguments);
    let (killed, what) = match kill {
        Kill::At(step) => {
            (Some(dbm.env("DBM_TEST_STOP_AT", step).run()), format!("{}, killed at {step}", scenario.name))
        }
        Kill::After(delay) => {
            (dbm.run_and_kill(*delay), format!("{}, killed after {delay:?}", scenario.name))
        }
    };
    let committed = matches!(kill, Kill::At(step) if step.starts_with("commit") && step.ends_with(":after"));
    let recovered = folder.dbm(&url, &["recover", "--yes"]).run();
    let acknowledged = writer.stop();
    if committed && scenario.wanted == Wanted::After {
        assert!(
            database.everything() == ends.after,
            "{what}: a committed release was undone\n{}{}",
            recovered.stdout,
            recovered.stderr
        );
    }
    let told: Vec<&Ended> = killed.iter().chain([&recovered]).collect();
    judge(bench, scenario, ends, &database, acknowledged, &told, &what);

    // Nothing stands in the way of the next run, and it ends as if nobody had killed.
    let code = if scenario.wanted == Wanted::After { 0 } else { 3 };
    folder.dbm(&url, scenario.arguments).run().expect(code);
    assert!(database.everything() == ends.after, "{what}: the next run ends elsewhere");
}

/// What must hold once the run was recovered; what was `told` is the killed command's words, where it had any, and
/// last the recovery's.
fn judge<B: Bench>(
    bench: &B,
    scenario: &Scenario,
    ends: &Ends,
    database: &B::Database,
    acknowledged: BTreeSet<i64>,
    told: &[&Ended],
    what: &str,
) {
    let recovered = told.last().expect("a recovery");
    assert!(
        matches!(recovered.code, 0 | 3),
        "{what}: recover ended with {}\n{}\n{}",
        recovered.code,
        recovered.stdout,
        recovered.stderr
    );
    let now = database.everything();
    assert!(
        now == ends.before || now == ends.after,
        "{what}: neither before nor after\n{}\n{}\n--- now\n{now}\n--- before\n{}",
        recovered.stdout,
        recovered.stderr,
        ends.before
    );
    let entries = |ledger: String| -> BTreeSet<i64> {
        ledger.lines().map(|line| line.parse().expect("an entry")).collect()
    };
    let here = entries(database.ask("SELECT entry FROM ledger"));
    let kept = bench.kept(database);
    // Only what was told by name can be found by whoever looks for a row.
    let report: String = told.iter().flat_map(|ended| [ended.stdout.as_str(), &ended.stderr]).collect();
    let mut found = here.clone();
    for name in kept.iter().filter(|name| report.contains(*name)) {
        found.extend(entries(bench.ledger_in(database, name)));
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{what}: acknowledged rows are nowhere: {lost:?} {kept:?}\n{report}");
    if scenario.name == FENCED && bench.fence_outlives_process() {
        let lost: Vec<_> = acknowledged.difference(&here).collect();
        assert!(lost.is_empty(), "{what}: written behind the fence: {lost:?}\n{}", recovered.stderr);
    }
    let complaints = bench.complaints(database);
    assert!(complaints.is_empty(), "{what}: {complaints:?}\n{}", recovered.stderr);
}

fn kill_at_every_step<B: Bench>(bench: &B) {
    for scenario in &scenarios(bench) {
        let ends = unkilled(bench, scenario);
        for step in &ends.steps {
            for moment in ["before", "after"] {
                kill_once(bench, scenario, &ends, &Kill::At(format!("{step}:{moment}")));
            }
        }
    }
}

fn kill_at_random_times<B: Bench>(bench: &B) {
    let scenarios = scenarios(bench);
    let share = RANDOM_KILLS.div_ceil(u32::try_from(scenarios.len()).expect("few"));
    for scenario in &scenarios {
        let ends = unkilled(bench, scenario);
        for number in 0..share {
            // Each run of the test covers the whole length, and no two fall on the same moments; a failure names its own.
            let delay = ends.length.mul_f64((f64::from(number) + chance()) / f64::from(share));
            kill_once(bench, scenario, &ends, &Kill::After(delay));
        }
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};

    let drawn = RandomState::new().hash_one(Instant::now());
    f64::from(u16::try_from(drawn % 1000).expect("small")) / 1000.0
}

#[test]
fn postgres_survives_kills_at_every_step() {
    kill_at_every_step(&OnPostgres::new());
}

#[test]
fn postgres_survives_kills_at_random_times() {
    kill_at_random_times(&OnPostgres::new());
}

#[test]
fn sqlite_survives_kills_at_every_step() {
    kill_at_every_step(&OnSqlite::new());
}

#[test]
fn sqlite_survives_kills_at_random_times() {
    kill_at_random_times(&OnSqlite::new());
}
