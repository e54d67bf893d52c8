//! Triggers in what `dbm generate` writes: they fire as before on what got another name, and in the order that is wanted.

use tests::{Folder, Mariadb, OwnMariadb};

/// What the second of them does depends on what the first one did, and the third on both.
const THERE: &str = "CREATE TABLE item (id int PRIMARY KEY, title varchar(20), n int);
CREATE TABLE log (what varchar(99));
CREATE TRIGGER one BEFORE INSERT ON item FOR EACH ROW SET NEW.n = 1;
CREATE TRIGGER two BEFORE INSERT ON item FOR EACH ROW SET NEW.title = UPPER(NEW.title), NEW.n = NEW.n + 1;
CREATE TRIGGER three BEFORE INSERT ON item FOR EACH ROW SET NEW.n = NEW.n * 5;
CREATE TRIGGER gone AFTER INSERT ON item FOR EACH ROW INSERT INTO log VALUES (NEW.title);
";

/// Makes what is there under the settings that dbm's own sessions have, which a trigger keeps.
fn make(database: &Mariadb) {
    database.run(&format!("SET NAMES utf8mb4;\n{THERE}"));
}

/// A server that takes triggers in scratch databases, whose accounts have no rights above their own database.
fn server() -> OwnMariadb {
    OwnMariadb::start(&["--skip-log-bin"])
}

/// What a new row becomes, and what is logged of it; then it is gone.
fn fires(database: &Mariadb, table: &str, title: &str) -> String {
    database.run(&format!("INSERT INTO {table} (id, {title}) VALUES (1, 'a')"));
    let query = format!("SELECT n, {title}, (SELECT COUNT(*) FROM log) FROM {table}");
    let found = database.ask(&query);
    database.run(&format!("DELETE FROM {table}; DELETE FROM log"));
    found
}

/// A project in which that is wanted.
fn project(database: &Mariadb, wanted: &str) -> Folder {
    let folder = Folder::new(&database.url());
    std::fs::write(folder.path().join("schema.sql"), wanted).expect("what is wanted");
    folder
}

/// Generates, runs, looks, takes it back and looks again.
fn lead_there_and_back(
    database: &Mariadb,
    wanted: &str,
    generate: &[&str],
    (table, title, is): (&str, &str, &str),
) {
    let folder = project(database, wanted);
    let nothing = |wanted: &str| {
        let folder = project(database, wanted);
        let again = folder.dbm(&database.url(), &["generate", "again"]).run().expect(0);
        assert!(again.stdout.contains("nothing to write"), "{generate:?}: {}{}", again.stdout, again.stderr);
    };
    folder.dbm(&database.url(), generate).run().expect(0);
    folder.dbm(&database.url(), &["migrate", "--safe", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(fires(database, table, title), is, "{generate:?}");
    nothing(wanted);
    folder.dbm(&database.url(), &["rollback", "--safe", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(fires(database, "item", "title"), "10|A|1", "{generate:?}");
    nothing(THERE);
}

#[test]
fn what_gets_another_name_keeps_its_triggers() {
    let server = server();
    let table = THERE.replace(" item", " product");
    let column = THERE.replace("title", "name");
    let both = table.replace("title", "name");
    for (wanted, renames, named) in [
        (&table, &["item=product"][..], ("product", "title")),
        (&column, &["item.title=name"], ("item", "name")),
        (&both, &["item=product", "product.title=name"], ("product", "name")),
    ] {
        let database = Mariadb::on(&server, "renamed");
        make(&database);
        let mut call = vec!["generate", "names"];
        call.extend(renames.iter().flat_map(|rename| ["--rename", rename]));
        lead_there_and_back(&database, wanted, &call, (named.0, named.1, "10|A|1"));
    }
}

#[test]
fn triggers_come_go_change_and_fire_in_the_order_that_is_wanted() {
    let server = server();
    let database = Mariadb::on(&server, "ordered");
    make(&database);
    let log = "CREATE TRIGGER gone AFTER INSERT ON item FOR EACH ROW INSERT INTO log VALUES (NEW.title);\n";
    let first = "three BEFORE INSERT ON item FOR EACH ROW";
    let between =
        "CREATE TRIGGER new BEFORE INSERT ON item FOR EACH ROW FOLLOWS one SET NEW.n = NEW.n + 7;\n";
    for (name, wanted, is) in [
        ("order", THERE.replace(first, &format!("{first} PRECEDES two")), "6|A|1"),
        ("between", format!("{THERE}{between}"), "45|A|1"),
        ("without", THERE.replace(log, ""), "10|A|0"),
        ("change", THERE.replace("NEW.n = 1;", "NEW.n = 2;"), "15|A|1"),
        ("moment", THERE.replace("one BEFORE INSERT", "one BEFORE UPDATE"), "NULL|A|1"),
    ] {
        lead_there_and_back(&database, &wanted, &["generate", name], ("item", "title", is));
    }
}
