//! Applications that migrate themselves.

use std::sync::Arc;

use database::Engine;

use super::repeated::labels;
use super::{Sandbox, engines, undone};
use crate::files::{Embedded, Folder, Repeat, read_embedded};
use crate::placeholders::Variables;
use crate::status::RepeatedState;
use crate::{Migrator, Watch, embed_migrations};

impl Sandbox {
    fn migrator(&self) -> Migrator {
        Migrator::folder(self.path().join("migrations"), self.path().join("rollback"))
            .unwrap()
            .with_store_folder(self.path().join("store"))
            .with_settings(|settings| settings.allowed.accept_lost_writes = true)
    }

    fn url(&self) -> String {
        self.database.url().to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_replicas_one_applies_and_all_go_on() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY);", "DROP TABLE item;");
        sandbox.file(
            "002_rows",
            "INSERT INTO item VALUES (1);\nINSERT INTO item VALUES (2);",
            "DELETE FROM item;",
        );
        std::fs::create_dir(sandbox.path().join("migrations/repeatable")).unwrap();
        std::fs::write(
            sandbox.path().join("migrations/repeatable/v.sql"),
            "CREATE VIEW v AS SELECT id FROM item;",
        )
        .unwrap();
        let replicas: Vec<_> = (0..8)
            .map(|_| {
                let (migrator, url) = (sandbox.migrator(), sandbox.url());
                tokio::spawn(async move { migrator.run(&url).await })
            })
            .collect();
        let mut applied = Vec::new();
        for replica in replicas {
            applied.push(replica.await.unwrap().unwrap().migrations.len());
        }
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 0, 0, 0, 0, 0, 3], "{engine}");
        assert_eq!(sandbox.ask("SELECT count(*) FROM v").await, "2", "{engine}");
        assert_eq!(sandbox.history().await.len(), 2);
        // With nothing pending it is not even backed up.
        let report = sandbox.migrator().run(&sandbox.url()).await.unwrap();
        assert!(report.run.is_none() && report.backup.is_none());
    }
}

#[tokio::test]
async fn an_application_does_not_start_on_a_failed_migration() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        let before = sandbox.everything();
        sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY);", "DROP TABLE item;");
        sandbox.file("002_bad", "INSERT INTO nowhere VALUES (1);", "SELECT 1;");
        let error = sandbox.migrator().run(&sandbox.url()).await.unwrap_err();
        assert!(error.to_string().starts_with("002_bad: "), "{error}");
        assert_eq!(sandbox.everything(), before, "{engine}, {:?}", undone(engine));
    }
}

#[tokio::test]
async fn an_older_replica_goes_on_only_where_it_may() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY);", "DROP TABLE item;");
        let newer = sandbox.file("002_more", "CREATE TABLE more (id int);", "DROP TABLE more;");
        sandbox.migrator().run(&sandbox.url()).await.unwrap();
        std::fs::remove_file(newer).unwrap();
        std::fs::remove_file(sandbox.path().join("rollback/002_more.sql")).unwrap();
        let error = sandbox.migrator().run(&sandbox.url()).await.unwrap_err();
        assert!(error.to_string().contains("002_more is applied"), "{error}");
        let report = sandbox.migrator().allow_newer().run(&sandbox.url()).await.unwrap();
        assert!(report.state.contains("newer release"), "{}", report.state);
        // A text that was changed is another matter.
        sandbox.file("001_item", "CREATE TABLE item (id bigint PRIMARY KEY);", "DROP TABLE item;");
        assert!(sandbox.migrator().allow_newer().run(&sandbox.url()).await.is_err());
    }
}

#[tokio::test]
async fn an_older_text_of_a_view_is_not_run_after_a_newer_one() {
    for engine in engines() {
        let sandbox = Sandbox::with_item(engine).await;
        let view = |columns: &str| {
            let text = format!("DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT {columns} FROM item;");
            sandbox.again(Repeat::Repeatable, "v", &text);
        };
        for columns in ["id", "id, name"] {
            view(columns);
            sandbox.migrator().run(&sandbox.url()).await.unwrap();
        }
        sandbox.execute("INSERT INTO item VALUES (1, 'one')").await;
        view("id");
        let error = sandbox.migrator().run(&sandbox.url()).await.unwrap_err();
        assert!(error.to_string().contains("another text of repeatable/v has been run since"), "{error}");
        let report = sandbox.migrator().allow_newer().run(&sandbox.url()).await.unwrap();
        assert!(report.state.contains("newer release") && report.migrations.is_empty(), "{}", report.state);
        assert_eq!(sandbox.ask("SELECT name FROM v").await, "one", "{engine}");
        // The one that is there is no older one, and a person may go back.
        view("id, name");
        assert_eq!(sandbox.migrator().run(&sandbox.url()).await.unwrap().state, "Nothing is pending.");
        view("id");
        assert_eq!(labels(&sandbox.migrate_all().await), ["repeatable/v"], "{engine}");
        assert_eq!(sandbox.migrator().run(&sandbox.url()).await.unwrap().state, "Nothing is pending.");
        assert_eq!(sandbox.states().await, [RepeatedState::Applied]);
    }
}

/// Loses the database while it is asked.
struct Loses(std::path::PathBuf);

impl Variables for Loses {
    fn variable(&self, _name: &str) -> Option<String> {
        std::fs::write(&self.0, "no database at all, but long enough to be looked at").unwrap();
        None
    }
}

#[tokio::test]
async fn the_first_error_is_the_one_that_is_told() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    sandbox.file("001_item", "CREATE TABLE item (name text DEFAULT '${env:NAME}');", "DROP TABLE item;");
    let loses = Arc::new(Loses(sandbox.path().join("shop.db")));
    let error = sandbox.migrator().with_variables(loses).run(&sandbox.url()).await.unwrap_err();
    assert!(error.to_string().contains("NAME"), "{error}");
}

#[tokio::test]
async fn without_a_store_only_one_transaction_is_run() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY);", "DROP TABLE item;");
        let bare =
            || Migrator::folder(sandbox.path().join("migrations"), sandbox.path().join("rollback")).unwrap();
        // Each statement that makes a table is committed by itself there.
        if engine != Engine::Mysql {
            assert!(bare().run(&sandbox.url()).await.unwrap().backup.is_none(), "{engine}");
            sandbox.file("002_two", "-- dbm: no-transaction\nCREATE TABLE two (id int);", "DROP TABLE two;");
        }
        let before = sandbox.everything();
        let error = bare().run(&sandbox.url()).await.unwrap_err();
        assert_eq!(error.kind(), backup::ErrorKind::Usage, "{engine}: {error}");
        assert_eq!(sandbox.everything(), before, "{engine}");
    }
}

#[test]
fn what_is_embedded_is_what_the_folder_has() {
    let embedded = embed_migrations!("examples/start_up/migrations", "examples/start_up/rollback");
    let (migrations, repeatables) = read_embedded(embedded).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/start_up");
    let folder = Folder { migrations: root.join("migrations"), rollback: root.join("rollback") };
    let there = crate::files::read(&folder).unwrap();
    let texts = |files: &[crate::files::Migration]| -> Vec<_> {
        files
            .iter()
            .map(|file| {
                (file.label(), file.checksum(), file.rollback.clone().unwrap().source().unwrap().text.clone())
            })
            .collect()
    };
    assert_eq!(texts(&migrations), texts(&there));
    assert_eq!(
        repeatables.iter().map(crate::files::RepeatedFile::label).collect::<Vec<_>>(),
        ["repeatable/visits"]
    );
    // The compiler has noted each file as a reason to build again.
    let noted = std::fs::read_to_string(std::env::current_exe().unwrap().with_extension("d")).unwrap();
    for file in
        ["migrations/001_visit.sql", "rollback/002_visit_page.sql", "migrations/repeatable/visits.sql"]
    {
        assert!(noted.contains(&format!("examples/start_up/{file}")), "{file}");
    }
}

#[test]
fn a_file_that_is_new_since_the_build_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| std::fs::write(folder.path().join(name), "SELECT 1;").unwrap();
    let path: &'static str = folder.path().to_str().unwrap().to_owned().leak();
    let files = &[("migrations/001_item.sql", "SELECT 1;"), ("rollback/001_rollback.sql", "SELECT 1;")];
    let built = Embedded { files, folders: vec![("migrations", path), ("rollback", "/nowhere")].leak() };
    write("001_item.sql");
    write("notes.txt");
    assert_eq!(read_embedded(built).unwrap().0.len(), 1);
    write("002_more.sql");
    let error = read_embedded(built).unwrap_err();
    let message = format!("{path}/002_more.sql was added after this application was built");
    assert_eq!(error.to_string(), message);
    assert!(error.hint().unwrap().contains("cargo:rerun-if-changed=migrations"), "{error:?}");
    // What runs elsewhere has no folder.
    assert!(read_embedded(Embedded { folders: &[], ..built }).is_ok());
}

/// Whoever starts an application sees what it does before it serves.
#[tokio::test]
async fn a_migrator_tells_its_progress() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        let watched = || sandbox.migrator().with_watch(Arc::clone(&sandbox.watch) as Arc<dyn Watch>);
        sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY);", "DROP TABLE item;");
        watched().run(&sandbox.url()).await.unwrap();
        let events = sandbox.events();
        let steps = ["begin:after", "back-up:after", "apply-1:noted", "commit:after", "end:after"];
        let mut wanted = steps.into_iter().peekable();
        for event in &events {
            wanted.next_if(|step| event == step);
        }
        assert_eq!(wanted.next(), None, "{engine}: {events:?}");
        assert!(sandbox.watch.errors.lock().unwrap().is_empty(), "{engine}");
        // With nothing pending there is nothing to tell.
        watched().run(&sandbox.url()).await.unwrap();
        assert_eq!(sandbox.events(), Vec::<String>::new(), "{engine}");

        sandbox.file("002_bad", "INSERT INTO nowhere VALUES (1);", "SELECT 1;");
        watched().run(&sandbox.url()).await.unwrap_err();
        assert!(sandbox.events().iter().any(|event| event.starts_with("apply-1:")), "{engine}");
        let errors = sandbox.watch.errors.lock().unwrap().clone();
        assert!(errors.iter().any(|error| error.contains("nowhere")), "{engine}: {errors:?}");
    }
}
