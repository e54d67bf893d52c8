//! MariaDB, where each statement commits: dbm is killed at every step and in between, and so is the server.

use tests::{Folder, Judge as _, Mariadb, OwnMariadb, Writer};

use super::{
    BASE, Bench, Ends, FENCED, LEDGER, Scenario, Wanted, chance, folder_of, judge, kill_at_every_step,
    kill_at_random_times, scenarios, unkilled,
};

/// How often the server is killed.
const SERVER_KILLS: u32 = 12;

/// A server of its own: a fence locks every other account that there is.
struct OnMariadb {
    server: OwnMariadb,
}

/// What no rename moves, and what acts by itself.
const MORE: &str = "
    CREATE VIEW names AS SELECT name FROM item;
    INSERT INTO note SELECT a.id, REPEAT('x', 200) FROM item a, item b, item c, item d, item e, item f, item g;
    DELIMITER //
    CREATE TRIGGER trimmed BEFORE INSERT ON note FOR EACH ROW BEGIN SET NEW.body = TRIM(NEW.body); END//
    CREATE PROCEDURE touch() BEGIN UPDATE item SET amount = amount + 1; END//
    DELIMITER ;
    CREATE EVENT never ON SCHEDULE AT '2037-01-01 00:00:00' DO CALL touch();
";

impl OnMariadb {
    fn new() -> Self {
        let server = OwnMariadb::start(&[]);
        let administrator = Mariadb::on(&server, "administrator");
        administrator.administer(
            "CREATE USER dbm_test_writer; GRANT INSERT ON `killed%`.* TO dbm_test_writer; CREATE USER shut ACCOUNT LOCK;",
        );
        Self { server }
    }
}

impl Bench for OnMariadb {
    type Database = Mariadb;

    fn fresh(&self) -> Mariadb {
        let database = Mariadb::on(&self.server, "killed");
        database.run(&format!("{LEDGER}{}{MORE}", BASE.replace("${identity}", database.identity())));
        database
    }

    fn writer(&self, database: &Mariadb) -> Writer {
        Writer::mariadb(database.url_as("dbm_test_writer"))
    }

    fn kept(&self, database: &Mariadb) -> Vec<String> {
        database.kin()
    }

    fn ledger_in(&self, database: &Mariadb, kept: &str) -> String {
        database.ask_in(kept, "SELECT entry FROM ledger")
    }

    fn complaints(&self, database: &Mariadb) -> Vec<String> {
        let mut complaints = Vec::new();
        let locked = database.locked();
        if locked != ["shut"] {
            complaints.push(format!("these accounts are locked: {locked:?}"));
        }
        if database.administer("SELECT @@event_scheduler").trim() != "ON" {
            complaints.push("the server's events are stopped".to_owned());
        }
        let last: u64 = database.ask("SELECT COALESCE(MAX(id), 0) FROM item").parse().expect("a number");
        if last >= database.counter("item") {
            complaints.push("the counter of item.id is behind".to_owned());
        }
        for name in database.kin() {
            if !name.contains("_replaced_") {
                complaints.push(format!("{name} was left behind"));
            }
        }
        complaints
    }

    fn alone(&self) -> (&'static str, &'static str) {
        ("CREATE INDEX item_name_idx ON item (name);\n", "DROP INDEX item_name_idx ON item;\n")
    }

    fn fence_outlives_process(&self) -> bool {
        true
    }
}

#[test]
fn mariadb_survives_kills_at_every_step() {
    kill_at_every_step(&OnMariadb::new());
}

#[test]
fn mariadb_survives_kills_at_random_times() {
    kill_at_random_times(&OnMariadb::new());
}

/// The server is killed under a run and comes back: the run waits for it, or the next command finishes it.
#[test]
fn runs_on_mariadb_survive_kills_of_the_server() {
    let mut bench = OnMariadb::new();
    let all = scenarios(&bench);
    let chosen: Vec<&Scenario> =
        all.iter().filter(|scenario| ["groups", "restore", FENCED].contains(&scenario.name)).collect();
    let share = SERVER_KILLS / u32::try_from(chosen.len()).expect("few");
    for scenario in chosen {
        let ends = unkilled(&bench, scenario);
        for number in 0..share {
            let delay = ends.length.mul_f64((f64::from(number) + chance()) / f64::from(share));
            kill_server(&mut bench, scenario, &ends, delay);
        }
    }
}

fn kill_server(bench: &mut OnMariadb, scenario: &Scenario, ends: &Ends, delay: std::time::Duration) {
    let database = bench.fresh();
    let folder: Folder = folder_of(scenario, &database);
    let writer = bench.writer(&database);
    let child = folder.dbm(&database.url(), scenario.arguments).spawn();
    std::thread::sleep(delay);
    bench.server.crash();
    let ended = tests::Ended::of(child);
    let what = format!(
        "{}, the server killed after {delay:?}, ended with {}\n{}",
        scenario.name, ended.code, ended.stderr
    );
    let recovered = folder.dbm(&database.url(), &["recover", "--yes"]).run();
    let now = database.everything();
    match ended.code {
        // Nothing of it is judged twice: what the run itself said must be so.
        0 if scenario.wanted == Wanted::After => assert!(now == ends.after, "{what}: not after"),
        1 | 3 => assert!(now == ends.before, "{what}: not before"),
        _ => {}
    }
    // The server's settings went with it.
    database.administer("SET GLOBAL event_scheduler = ON");
    judge(bench, scenario, ends, &database, writer.stop(), &[&ended, &recovered], &what);
}
