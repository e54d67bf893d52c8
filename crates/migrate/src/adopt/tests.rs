mod each_engine;
mod projects;

use std::fs;
use std::path::Path;

use super::*;
use crate::files::{self, Repeat};
use crate::run::tests::{Sandbox, engines};
use crate::{MigrateOptions, Outcome, RollbackOptions, Until};

/// A folder of theirs.
fn theirs(sandbox: &Sandbox, files: &[(&str, &str)]) -> PathBuf {
    let folder = sandbox.path().join("theirs");
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn folder(root: &Path) -> Folder {
    Folder { migrations: root.join("migrations"), rollback: root.join("rollback") }
}

/// Without what dbm keeps in the database, which SQLite's tool shows with the rest.
fn everything(sandbox: &Sandbox) -> String {
    let all = sandbox.everything();
    all.lines().filter(|line| !line.contains("(run TEXT NOT NULL")).collect::<Vec<_>>().join("\n")
}

/// A project of two migrations, of which the tool has applied the first: it is recorded, the second is applied and rolled
/// back, and the first only leaves the history.
async fn adopts(tool: Tool, engine: Engine, files: &[(&str, &str)], history: &[&str]) -> Adoption {
    let mut sandbox = Sandbox::new(engine).await;
    sandbox.settings.allowed.accept_lost_writes = true;
    let from = theirs(&sandbox, files);
    sandbox.execute("CREATE TABLE one (id int PRIMARY KEY)").await;
    for sql in history {
        sandbox.execute(sql).await;
    }
    // SQLite's tool shows it with the rest.
    crate::history::create(&mut *sandbox.database.session().await.unwrap()).await.unwrap();
    let before = everything(&sandbox);
    let to = folder(sandbox.path());
    let mut session = sandbox.database.session().await.unwrap();
    let planned = plan(tool, &from, None, false, &to, &mut *session).await.unwrap();
    drop(session);
    write(&planned).unwrap();
    write(&planned).unwrap();
    let migrations = sandbox.migrations();
    let repeatables = files::read_repeated(&to, Repeat::Repeatable).unwrap();
    let changes = |records: &Records| changes(&planned, &migrations, &repeatables, records);
    let marked = sandbox.runner().mark(changes).await.unwrap();
    assert_eq!(marked.changes.len(), planned.files.iter().filter(|file| file.applied).count());
    assert_eq!(everything(&sandbox), before, "{tool:?}, {engine}: nothing of theirs is changed");
    let again = sandbox.runner().mark(changes).await.unwrap();
    assert!(again.changes.is_empty(), "{tool:?}: adopting again changes nothing");
    let report = sandbox.runner().migrate(&migrations, &MigrateOptions::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{tool:?}, {engine}: {:?}", report.failure);
    assert_eq!(report.migrations.len(), 1, "{tool:?}, {engine}");
    assert_eq!(sandbox.ask("SELECT count(*) FROM two").await, "0");
    let irreversible = migrations[1].directives.irreversible.is_some();
    let count = if irreversible { Until::To(2) } else { Until::All };
    let back = RollbackOptions { until: count, module: None };
    let report = sandbox.runner().rollback(&migrations, &back).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{tool:?}, {engine}: {:?}", report.failure);
    if !irreversible {
        assert_eq!(everything(&sandbox), before, "{tool:?}, {engine}: what dbm did not make stays");
    }
    planned
}

#[tokio::test]
async fn golang_migrate_has_one_row() {
    for engine in engines() {
        let files = [
            ("1_one.up.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
            ("1_one.down.sql", "DROP TABLE one;"),
            ("000010_add_two.up.sql", "CREATE TABLE two (id int, name varchar(20) DEFAULT '${not_ours}');"),
            ("10_remove_two.down.sql", "DROP TABLE two;"),
        ];
        let history = [
            "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
            "INSERT INTO schema_migrations VALUES (1, false)",
        ];
        let planned = adopts(Tool::GolangMigrate, engine, &files, &history).await;
        let names: Vec<_> = planned.files.iter().map(|file| reading::name(&file.path)).collect();
        assert_eq!(names, ["001_one.sql", "001_one.sql", "002_add_two.sql", "002_add_two.sql"]);
        assert!(planned.files[2].text.contains("'${{not_ours}}'"), "{}", planned.files[2].text);
    }
}

#[tokio::test]
async fn goose_marks_statements() {
    for engine in engines() {
        let body = match engine {
            Engine::Mysql => {
                "CREATE TRIGGER t BEFORE INSERT ON two FOR EACH ROW BEGIN SET NEW.id = 1; SET NEW.id = 2; END;"
            }
            Engine::Sqlite => {
                "CREATE TRIGGER t AFTER INSERT ON two BEGIN UPDATE two SET id = 1; UPDATE two SET id = 2; END;"
            }
            _ => "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 2; END $$;",
        };
        let drop = if engine == Engine::Postgres { "DROP FUNCTION f();\n" } else { "" };
        let two = format!(
            "-- +goose Up\nCREATE TABLE two (id int);\n-- +goose StatementBegin\n{body}\n-- +goose StatementEnd\n\n-- +goose Down\n{drop}DROP TABLE two;\n"
        );
        let files = [
            (
                "00001_one.sql",
                "-- +goose Up\nCREATE TABLE one (id int PRIMARY KEY);\n-- +goose Down\nDROP TABLE one;\n",
            ),
            ("00002_two.sql", &two),
        ];
        let history = [
            "CREATE TABLE goose_db_version (id int PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL)",
            "INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 2, false)",
        ];
        adopts(Tool::Goose, engine, &files, &history).await;
    }
}

#[tokio::test]
async fn dbmate_sqlx_and_refinery_keep_rows() {
    let engine = Engine::Sqlite;
    let files = [
        (
            "20240101_one.sql",
            "-- migrate:up\nCREATE TABLE one (id int PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE one;\n",
        ),
        (
            "20240102_two.sql",
            "-- migrate:up transaction:false\nCREATE TABLE two (id int);\n-- migrate:down\nDROP TABLE two;\n",
        ),
    ];
    let history = [
        "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240101')",
    ];
    let planned = adopts(Tool::Dbmate, engine, &files, &history).await;
    assert!(planned.files[2].text.contains("-- dbm: no-transaction\n"));

    let files = [
        ("20240101_one.up.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
        ("20240101_one.down.sql", "DROP TABLE one;"),
        ("20240102_two.sql", "-- no-transaction\nCREATE TABLE two (id int);"),
    ];
    let history = [
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT, success BOOLEAN NOT NULL)",
        "INSERT INTO _sqlx_migrations VALUES (20240101, 'one', true)",
    ];
    let planned = adopts(Tool::Sqlx, engine, &files, &history).await;
    assert!(planned.files[2].text.contains("-- dbm: no-transaction\n-- dbm: irreversible sqlx had nothing"));

    let files = [
        ("V1__one.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
        ("U2__two.sql", "CREATE TABLE two (id int);"),
    ];
    let history = [
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))",
        "INSERT INTO refinery_schema_history VALUES (1, 'one', 'then', '1')",
    ];
    adopts(Tool::Refinery, engine, &files, &history).await;
}

#[tokio::test]
async fn prisma_has_folders() {
    let files = [
        ("migration_lock.toml", "provider = \"postgresql\"\n"),
        ("20240101000000_one/migration.sql", "-- CreateTable\nCREATE TABLE \"one\" (id int PRIMARY KEY);"),
        ("20240102000000_two/migration.sql", "-- CreateTable\nCREATE TABLE \"two\" (id int);"),
    ];
    let history = [
        "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, finished_at timestamptz, migration_name varchar(255), \
         rolled_back_at timestamptz, started_at timestamptz DEFAULT now())",
        "INSERT INTO _prisma_migrations VALUES ('a', now(), '20240101000000_one'), ('b', NULL, '20240102000000_two')",
        "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = 'b'",
    ];
    adopts(Tool::Prisma, Engine::Postgres, &files, &history).await;
}

#[tokio::test]
async fn flyway_undoes_and_repeats() {
    // The checksum is that of the lines without their ends.
    let files = [
        ("V01.0__one.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
        ("V1.10__two.sql", "CREATE TABLE two (id int);"),
        ("U1.10__two.sql", "DROP TABLE two;"),
        ("R__all_views.sql", "123\r\n456789\n"),
        ("R__changed.sql", "CREATE OR REPLACE VIEW w AS SELECT 1 AS one;"),
        ("R__undone.sql", "123456789"),
    ];
    let history = [
        "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200), \
         type varchar(20), checksum int, success boolean)",
        "INSERT INTO flyway_schema_history VALUES (0, NULL, 'schema', 'SCHEMA', NULL, true), (1, '1', 'one', 'SQL', 1, true), \
         (2, '1.10', 'two', 'SQL', 2, true), (3, '1.10', 'two', 'UNDO_SQL', 3, true), (4, NULL, 'all views', 'SQL', 1, true), \
         (5, NULL, 'changed', 'SQL', 4, true), (6, NULL, 'undone', 'SQL', -873187034, true), \
         (7, NULL, 'undone', 'DELETE', NULL, true), (8, NULL, 'all views', 'SQL', -873187034, true)",
    ];
    let project = planned(Tool::Flyway, &files, &history).await.unwrap();
    let again =
        project.iter().filter(|file| file.path.parent().is_some_and(|path| path.ends_with("repeatable")));
    assert_eq!(again.map(|file| file.applied).collect::<Vec<_>>(), [true, false, false], "{project:?}");

    let view = "CREATE OR REPLACE VIEW v AS SELECT 1 AS one;";
    let files = [files[0], files[1], files[2], ("R__views.sql", view)];
    for engine in [Engine::Postgres, Engine::Mysql] {
        let ran = format!(
            "INSERT INTO flyway_schema_history VALUES (9, NULL, 'views', 'SQL', {}, true)",
            crc32fast::hash(view.as_bytes()).cast_signed()
        );
        let planned = adopts(Tool::Flyway, engine, &files, &[history[0], history[1], &ran]).await;
        let views = planned.files.iter().find(|file| file.path.ends_with("repeatable/views.sql")).unwrap();
        assert!(views.applied, "{planned:?}");
    }
}

#[tokio::test]
async fn liquibase_has_changesets() {
    let files = [
        (
            "001-base.sql",
            "--liquibase formatted sql\n\n--changeset ann:1\n--comment the first\nCREATE TABLE one (id int PRIMARY KEY);\n--rollback DROP TABLE one;\n",
        ),
        (
            "002-more.sql",
            "-- liquibase formatted sql\n-- changeset bob:two-tables runInTransaction:false endDelimiter:@@\nCREATE TABLE two (id int)@@\nCREATE INDEX two_id ON two (id)@@\n\
             /* liquibase rollback\nDROP TABLE two;\n*/\n",
        ),
    ];
    for engine in engines() {
        let history = [
            "CREATE TABLE databasechangelog (id varchar(255), author varchar(255), filename varchar(255), orderexecuted int)",
            "INSERT INTO databasechangelog VALUES ('1', 'ann', '001-base.sql', 1)",
        ];
        let planned = adopts(Tool::Liquibase, engine, &files, &history).await;
        assert!(planned.files[2].text.contains("-- dbm: no-transaction\n"), "{}", planned.files[2].text);
    }
}

/// Author and id alone tell no changeset from those of other files.
#[tokio::test]
async fn a_changeset_of_liquibase_is_of_its_file() {
    let changeset = |head: &str, name: &str| {
        format!("--liquibase formatted sql{head}\n--changeset {name}\nCREATE TABLE one (id int);\n")
    };
    let (one, two) = (changeset("", "ann:1"), changeset("", "ann:2"));
    let elsewhere = changeset(" logicalFilePath:old/a.sql", "ann:1");
    let own = changeset("", "ann:1 logicalFilePath:c.sql");
    let files = [
        ("a.sql", &*one),
        ("b.sql", &*two),
        ("sub/a.sql", &*one),
        ("sub/moved.sql", &*elsewhere),
        ("sub/own.sql", &*own),
    ];
    let table = "CREATE TABLE databasechangelog (id varchar(255), author varchar(255), filename varchar(255), orderexecuted int)";
    for (rows, expected) in [
        ("('1', 'ann', 'db/changelog/sub/a.sql', 1)", Ok([false, false, true, false, false])),
        ("('1', 'ann', 'sub/a.sql', 1)", Ok([false, false, true, false, false])),
        ("('1', 'ann', 'classpath:/db/changelog/a.sql', 1)", Ok([true, false, false, false, false])),
        ("('1', 'ann', 'old/a.sql', 1), ('2', 'ann', 'b.sql', 2)", Ok([false, true, false, true, false])),
        ("('1', 'ann', 'c.sql', 1)", Ok([false, false, false, false, true])),
        ("('2', 'ann', 'gone.sql', 1)", Err("has applied `ann:2 in gone.sql`")),
        ("('1', 'ann', 'b.sql', 1)", Err("has applied `ann:1 in b.sql`")),
    ] {
        let rows = format!("INSERT INTO databasechangelog VALUES {rows}");
        let found = applied(Tool::Liquibase, &files, &[table, &rows]).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{rows}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, _) => panic!("{rows}: {found:?}"),
        }
    }
    let twice = one.clone() + "--changeset ann:1\nSELECT 1;\n";
    let error = applied(Tool::Liquibase, &[("a.sql", &*twice)], &[]).await.unwrap_err().to_string();
    assert!(error.contains("two migrations of liquibase have the version `ann:1 in a.sql`"), "{error}");
}

#[tokio::test]
async fn refinery_reads_its_own_names_alone() {
    let table = "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";
    let rows = "INSERT INTO refinery_schema_history VALUES (0, 'zero', 'then', '1')";
    let files = [
        ("V00__zero.sql", "SELECT 1;"),
        ("V2__add-more.sql", "SELECT 1;"),
        ("V3__b.SQL", "SELECT 1;"),
        ("below/U10__a.sql", "SELECT 1;"),
    ];
    assert_eq!(applied(Tool::Refinery, &files, &[table, rows]).await.unwrap(), [true, false]);
    let error = applied(Tool::Refinery, &[("V1__a.rs", "pub fn migration() {}")], &[]).await.unwrap_err();
    assert!(error.to_string().contains("V1__a.rs is a migration in Rust"), "{error}");
}

#[tokio::test]
async fn alembic_s_sql_is_cut_into_revisions() {
    let up = "BEGIN;\n\nCREATE TABLE alembic_version (\n    version_num VARCHAR(32) NOT NULL, \n    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n);\n\n\
              -- Running upgrade  -> 1975ea83b712\n\nCREATE TABLE one (id int PRIMARY KEY);\n\nINSERT INTO alembic_version (version_num) VALUES ('1975ea83b712') RETURNING alembic_version.version_num;\n\n\
              -- Running upgrade 1975ea83b712 -> ae1027a6acf\n\nCREATE TABLE two (id int);\n\nUPDATE alembic_version SET version_num='ae1027a6acf' WHERE alembic_version.version_num = '1975ea83b712';\n\nCOMMIT;\n\n";
    let down = "BEGIN;\n\n-- Running downgrade ae1027a6acf -> 1975ea83b712\n\nDROP TABLE two;\n\nUPDATE alembic_version SET version_num='1975ea83b712' WHERE alembic_version.version_num = 'ae1027a6acf';\n\n\
                -- Running downgrade 1975ea83b712 -> \n\nDROP TABLE one;\n\nDELETE FROM alembic_version WHERE alembic_version.version_num = '1975ea83b712';\n\nDROP TABLE alembic_version;\n\nCOMMIT;\n\n";
    let history = [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('1975ea83b712')",
    ];
    let planned =
        adopts(Tool::Alembic, Engine::Postgres, &[("up.sql", up), ("down.sql", down)], &history).await;
    assert!(
        planned
            .files
            .iter()
            .all(|file| !file.text.contains("alembic_version") && !file.text.contains("COMMIT"))
    );
}

#[tokio::test]
async fn yoyo_says_what_comes_before() {
    let files = [
        ("0001.one.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
        ("0001.one.rollback.sql", "DROP TABLE one;"),
        ("0000.two.sql", "-- two\n-- depends: 0001.one\n\nCREATE TABLE two (id int);"),
        ("0000.two.rollback.sql", "DROP TABLE two;"),
        ("post-apply.sql", "SELECT 1;"),
    ];
    let history = [
        "CREATE TABLE _yoyo_migration (migration_hash varchar(64) PRIMARY KEY, migration_id varchar(255))",
        "INSERT INTO _yoyo_migration VALUES ('h', '0001.one')",
    ];
    adopts(Tool::Yoyo, Engine::Sqlite, &files, &history).await;
}

/// Which of a project's migrations count as applied, by the tool's table, in a database that has what `history` makes.
async fn planned(tool: Tool, files: &[(&str, &str)], history: &[&str]) -> Result<Vec<Adopted>> {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    for sql in history {
        sandbox.execute(sql).await;
    }
    let from = theirs(&sandbox, files);
    let mut session = sandbox.database.session().await.unwrap();
    Ok(plan(tool, &from, None, false, &folder(sandbox.path()), &mut *session).await?.files)
}

async fn applied(tool: Tool, files: &[(&str, &str)], history: &[&str]) -> Result<Vec<bool>> {
    let files = planned(tool, files, history).await?;
    Ok(files.iter().filter(|file| file.number.is_some()).map(|file| file.applied).collect())
}

#[tokio::test]
async fn a_baseline_stands_for_what_is_below_it() {
    let files = [
        ("V1__one.sql", "CREATE TABLE one (id int);"),
        ("V2__two.sql", "CREATE TABLE two (id int);"),
        ("V10__ten.sql", "CREATE TABLE ten (id int);"),
    ];
    let table = "CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), description varchar(200), \
                 type varchar(20), checksum int, success boolean)";
    for kind in ["BASELINE", "SQL_BASELINE"] {
        let row = format!(
            "INSERT INTO flyway_schema_history VALUES (1, '2', '<< Baseline >>', '{kind}', NULL, true)"
        );
        assert_eq!(applied(Tool::Flyway, &files, &[table, &row]).await.unwrap(), [true, true, false]);
        // One that no file has.
        let row = row.replace("'2'", "'3'");
        assert_eq!(applied(Tool::Flyway, &files, &[table, &row]).await.unwrap(), [true, true, false]);
    }
    let files = [("1_one.sql", "SELECT 1;"), ("2_two.sql", "SELECT 1;"), ("3_three.sql", "SELECT 1;")];
    let history = [
        "CREATE TABLE atlas_schema_revisions (version varchar, type bigint, applied bigint, total bigint)",
        "INSERT INTO atlas_schema_revisions VALUES ('2', 1, 0, 0)",
    ];
    assert_eq!(applied(Tool::Atlas, &files, &history).await.unwrap(), [true, true, false]);
}

#[tokio::test]
async fn branches_of_alembic_that_are_not_applied_are_pending() {
    let up = "-- Running upgrade  -> a\n\nSELECT 1;\n\n-- Running upgrade a -> b\n\nSELECT 1;\n\n\
              -- Running upgrade a -> c\n\nSELECT 1;\n\n-- Running upgrade b, c -> d\n\nSELECT 1;\n";
    let table = "CREATE TABLE alembic_version (version_num VARCHAR(32))";
    for (heads, expected) in [
        ("('c')", [true, false, true, false]),
        ("('b'), ('c')", [true, true, true, false]),
        ("('d')", [true, true, true, true]),
    ] {
        let rows = format!("INSERT INTO alembic_version VALUES {heads}");
        let found = applied(Tool::Alembic, &[("up.sql", up)], &[table, &rows]).await.unwrap();
        assert_eq!(found, expected, "{heads}");
    }
}

#[tokio::test]
async fn a_database_without_the_table_is_not_taken_for_an_empty_one() {
    let files = [("1_one.up.sql", "CREATE TABLE one (id int);")];
    assert_eq!(applied(Tool::GolangMigrate, &files, &[]).await.unwrap(), [false]);
    let error =
        applied(Tool::GolangMigrate, &files, &["CREATE TABLE one (id int)"]).await.unwrap_err().to_string();
    assert!(
        error.contains("no table schema_migrations, and the database is not empty (it has one)"),
        "{error}"
    );

    let sandbox = Sandbox::new(Engine::Postgres).await;
    sandbox.execute("CREATE SCHEMA app").await;
    sandbox.execute("CREATE TABLE app.schema_migrations (version bigint, dirty boolean)").await;
    let (from, to) = (theirs(&sandbox, &files), folder(sandbox.path()));
    let mut session = sandbox.database.session().await.unwrap();
    let error = plan(Tool::GolangMigrate, &from, None, false, &to, &mut *session).await.unwrap_err();
    assert_eq!(error.hint(), Some("if it is the one: --table app.schema_migrations"));
    plan(Tool::GolangMigrate, &from, Some("app.schema_migrations"), false, &to, &mut *session).await.unwrap();
    plan(Tool::GolangMigrate, &from, None, true, &to, &mut *session).await.unwrap();
}

#[tokio::test]
async fn what_is_not_run_everywhere_is_refused_or_left_out() {
    let history = [
        "CREATE TABLE databasechangelog (id varchar(255), author varchar(255), filename varchar(255), orderexecuted int)",
        "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean)",
    ];
    let changeset =
        |words: &str| format!("--liquibase formatted sql\n--changeset ann:1 {words}\nDELETE FROM one;\n");
    for words in ["context:test", "contextFilter:\"test or dev\"", "labels:v2 runOnChange:true"] {
        let error = applied(Tool::Liquibase, &[("a.sql", &changeset(words))], &history)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("ann:1 is run in some places only"), "{error}");
    }
    for (words, count) in [
        ("dbms:oracle", 0),
        ("dbms:!sqlite", 0),
        ("dbms:\"h2, sqlite\"", 1),
        ("dbms:!h2", 1),
        ("ignore:true", 0),
    ] {
        let files = [
            ("a.sql", &*changeset(words)),
            ("b.sql", "--liquibase formatted sql\n--changeset ann:2\nSELECT 1;\n"),
        ];
        let found = applied(Tool::Liquibase, &files, &history).await.unwrap();
        assert_eq!(found.len(), count + 1, "{words}");
    }
    let up = "-- +goose Up\nSELECT 1;\n";
    for (files, message) in [
        ([("1_a.sql", up), ("2_b.go", "package x")], "2_b.go is a migration in Go"),
        ([("1_a.sql", up), ("001_b.sql", up)], "two migrations of goose have the version `1`"),
    ] {
        let error = applied(Tool::Goose, &files, &history).await.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[tokio::test]
async fn what_has_no_statement_does_nothing() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    let files = [
        ("V1__one.sql", "CREATE TABLE one (a varchar(20) DEFAULT '${word}');"),
        ("U1__one.sql", "-- nothing"),
        ("V2__none.sql", ""),
        ("V3__said.sql", "-- nothing"),
    ];
    let from = theirs(&sandbox, &files);
    let mut session = sandbox.database.session().await.unwrap();
    let planned =
        plan(Tool::Flyway, &from, None, true, &folder(sandbox.path()), &mut *session).await.unwrap();
    let ends: Vec<_> = planned.files.iter().map(|file| file.text.split_once("\n\n").unwrap().1).collect();
    assert_eq!(
        ends,
        [files[0].1.to_owned() + "\n", "SELECT 1;\n".to_owned(), "-- nothing\nSELECT 1;\n".to_owned()]
    );
    assert!(planned.files.iter().all(|file| file.text.contains("-- dbm: irreversible")));
    assert_eq!(planned.notes, ["these placeholders get their values from dbm.toml, [placeholders]: word"]);
    write(&planned).unwrap();
    let mut sandbox = sandbox;
    sandbox.settings.placeholders.common.insert("word".to_owned(), "x".to_owned());
    let report = sandbox.migrate().await;
    assert_eq!((report.outcome, report.migrations.len()), (Outcome::Done, 3), "{:?}", report.failure);
}

#[tokio::test]
async fn what_dbm_does_not_fill_in_is_named() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    let one = "-- ${said}\nCREATE TABLE a (who text);\n\
               INSERT INTO a VALUES ('${flyway:defaultSchema}'), ('${word}'), ('${ hunter2 }');\n";
    let two = "INSERT INTO a VALUES ('price in ${');\nINSERT INTO a VALUES ('hunter3}');\n";
    let from = theirs(&sandbox, &[("V1__one.sql", one), ("V2__two.sql", two)]);
    let mut session = sandbox.database.session().await.unwrap();
    let planned =
        plan(Tool::Flyway, &from, None, true, &folder(sandbox.path()), &mut *session).await.unwrap();
    let path = planned.files[0].path.display().to_string();
    let [filled, left] = &planned.notes[..] else { panic!("{:?}", planned.notes) };
    assert_eq!(filled, "these placeholders get their values from dbm.toml, [placeholders]: word");
    let line = planned.files[0].text.lines().position(|line| line.contains("flyway:")).unwrap() + 1;
    let wanted =
        format!("${{flyway:defaultSchema}} ({path}, line {line}), ${{…}} ({path}, line {line}); write");
    assert!(left.contains(&wanted) && !left.contains("hunter"), "{left}");
}

#[tokio::test]
async fn no_file_is_written_where_one_is_in_the_way() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    let from = theirs(&sandbox, &[("1_a.up.sql", "SELECT 1;"), ("2_b.up.sql", "SELECT 1;")]);
    let to = folder(&sandbox.path().join("new"));
    let mut session = sandbox.database.session().await.unwrap();
    let planned = plan(Tool::GolangMigrate, &from, None, false, &to, &mut *session).await.unwrap();
    fs::create_dir_all(&to.migrations).unwrap();
    for (name, message) in [("002_other.sql", "has the number of"), ("002_b.sql", "with another text")] {
        fs::write(to.migrations.join(name), "SELECT 2;").unwrap();
        let error = write(&planned).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(reading::entries(&to.migrations).unwrap().len(), 1, "nothing is written");
        fs::remove_file(to.migrations.join(name)).unwrap();
    }
    write(&planned).unwrap();
    assert_eq!(reading::entries(&to.migrations).unwrap().len(), 2);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    let from = theirs(&sandbox, &[("1_one.up.sql", "CREATE TABLE one (id int);")]);
    let to = folder(sandbox.path());
    sandbox.execute("CREATE TABLE schema_migrations (version bigint, dirty boolean)").await;
    for (rows, message) in
        [("(1, true)", "1 has failed half-way"), ("(2, false)", "has no file of that version")]
    {
        sandbox
            .execute(&format!("DELETE FROM schema_migrations; INSERT INTO schema_migrations VALUES {rows}"))
            .await;
        let mut session = sandbox.database.session().await.unwrap();
        let error = plan(Tool::GolangMigrate, &from, None, false, &to, &mut *session).await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let mut session = sandbox.database.session().await.unwrap();
    for (tool, table, message) in [
        (Tool::Goose, None, "has no migration of goose"),
        (Tool::GolangMigrate, Some("elsewhere"), "there is no table elsewhere"),
    ] {
        let error = plan(tool, &from, table, false, &to, &mut *session).await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let twice = [("V1__one.sql", "SELECT 1;"), ("R__a-b.sql", "SELECT 1;"), ("R__a_b.sql", "SELECT 2;")];
    let twice = theirs(&sandbox, &twice);
    let error = plan(Tool::Flyway, &twice, None, true, &to, &mut *session).await.unwrap_err();
    assert!(error.to_string().contains("would become") && error.to_string().contains("a_b.sql"), "{error}");
    for name in ["V1__one.sql", "R__a-b.sql", "R__a_b.sql"] {
        fs::remove_file(twice.join(name)).unwrap();
    }
    sandbox.execute("DELETE FROM schema_migrations").await;
    let planned = plan(Tool::GolangMigrate, &from, None, false, &to, &mut *session).await.unwrap();
    fs::write(&planned.files[0].path, "SELECT 1;").unwrap();
    assert!(write(&planned).unwrap_err().to_string().contains("is there already, with another text"));
}
