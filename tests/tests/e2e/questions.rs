//! What a person is asked at a terminal.

use tests::{Folder, Terminal};

/// A project on a SQLite file with two migrations, applied.
fn applied() -> (Folder, &'static str) {
    let url = "sqlite://shop.db?mode=rwc";
    let folder = Folder::new(url);
    folder.migration("001_a", "CREATE TABLE a (x int);", "DROP TABLE a;");
    folder.migration("002_b", "CREATE TABLE b (x int);", "DROP TABLE b;");
    folder.dbm(url, &["migrate"]).run().expect(0);
    (folder, url)
}

#[test]
fn repair_asks_for_the_way_of_each_row() {
    let (folder, url) = applied();
    folder.migration("001_a", "CREATE TABLE a (x int); -- more to say", "DROP TABLE a;");
    for gone in ["migrations/002_b.sql", "rollback/002_b.sql"] {
        std::fs::remove_file(folder.path().join(gone)).unwrap();
    }
    // Nobody can be asked.
    let told = folder.dbm(url, &["repair"]).run().expect(5);
    assert!(told.stdout.contains("2 rows broken") && !told.stderr.contains("[y/N]"), "{}", told.stderr);
    let repair = |answers: [&str; 2]| {
        let terminal = Terminal::new();
        let mut child = folder.dbm(url, &["repair"]).spawn_at(&terminal);
        terminal.shows("take the file of 001 as it is now? [y/N] ");
        terminal.types(answers[0]);
        terminal.shows("the row of 002 go? What it made stays. [y/N] ");
        terminal.types(answers[1]);
        child.wait().unwrap().code()
    };
    assert_eq!(repair(["n\n", "\n"]), Some(5), "nothing was wanted");
    assert!(folder.dbm(url, &["repair"]).run().expect(5).stdout.contains("2 rows broken"));
    assert_eq!(repair(["y\n", "n\n"]), Some(5), "one row is left");
    let told = folder.dbm(url, &["repair"]).run().expect(5);
    assert!(told.stdout.contains("1 row broken") && told.stdout.contains("002_b"), "{}", told.stdout);
    let terminal = Terminal::new();
    let mut child = folder.dbm(url, &["repair"]).spawn_at(&terminal);
    terminal.shows("the row of 002 go? What it made stays. [y/N] ");
    terminal.types("y\n");
    terminal.shows("would leave the history. Go on? [y/N] ");
    terminal.types("y\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    folder.dbm(url, &["repair"]).run().expect(0);
    folder.dbm(url, &["check"]).run().expect(0);
}

#[test]
fn generate_asks_whether_a_column_has_another_name() {
    for (answers, wanted, lost) in
        [(&["y\n"][..], "RENAME COLUMN", false), (&["n\n", "y\n"], "LOSES DATA", true)]
    {
        let (folder, url) = applied();
        let wanted_schema = "CREATE TABLE a (y int);\nCREATE TABLE b (x int);\n";
        std::fs::write(folder.path().join("schema.sql"), wanted_schema).unwrap();
        let terminal = Terminal::new();
        let mut arguments = vec!["generate", "rename it"];
        arguments.extend(lost.then_some("--allow-data-loss"));
        let mut child = folder.dbm(url, &arguments).spawn_at(&terminal);
        for (question, answer) in ["its new name? [y/N] ", "dropped? [y/N] "].iter().zip(answers) {
            terminal.shows(question);
            terminal.types(answer);
        }
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", terminal.shows(""));
        let written: Vec<String> = std::fs::read_dir(folder.path().join("migrations"))
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert!(written.iter().any(|text| text.contains(wanted)), "{written:?}");
        folder.dbm(url, &["migrate"]).run().expect(0);
        folder.dbm(url, &["drift"]).run().expect(0);
    }
}
