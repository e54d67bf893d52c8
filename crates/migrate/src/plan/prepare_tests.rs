use database::Engine::{Mysql, Postgres, Sqlite};

use super::*;
use crate::files::{Directives, Migration, Source};
use crate::placeholders::NoVariables;
use crate::plan::{Allowed, MigrateOptions, to_migrate};

fn plan(engine: Engine, texts: &[&str]) -> Result<Plan> {
    let mut files = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let path = PathBuf::from(format!("{number:03}_m.sql"));
        let directives = Directives::parse(text, &path)?;
        let source = Source { path, text: (*text).to_owned() };
        files.push(Migration { number, name: "m".to_owned(), directives, source, rollback: None });
    }
    let selection = to_migrate(&files, &[], &MigrateOptions::default())?;
    Plan::new(engine, selection, &Configured::default(), &NoVariables)
}

/// The numbers of each group; those without a transaction are negative.
fn groups(engine: Engine, texts: &[&str]) -> Vec<Vec<i64>> {
    let plan = plan(engine, texts).unwrap();
    let numbers = |group: &crate::plan::Group| {
        let sign = if group.transaction { 1 } else { -1 };
        group.items.iter().map(|item| sign * i64::try_from(item.number).unwrap()).collect()
    };
    plan.groups.iter().map(numbers).collect()
}

const TABLE: &str = "CREATE TABLE a (b int);";

#[test]
fn what_can_share_a_transaction_does() {
    assert_eq!(
        groups(Postgres, &[TABLE, "INSERT INTO a VALUES (1);", "CREATE INDEX i ON a (b);"]),
        [[1, 2, 3]]
    );
    assert_eq!(plan(Postgres, &[TABLE]).unwrap().way_back, WayBack::Rollback);
    assert_eq!(plan(Postgres, &[]).unwrap().way_back, WayBack::None);
}

#[test]
fn where_ddl_commits_each_file_stands_alone_and_the_way_back_is_the_backup() {
    let texts = [TABLE, "INSERT INTO a VALUES (1);", "BEGIN;\nINSERT INTO a VALUES (2);\nCOMMIT;"];
    assert_eq!(groups(Mysql, &texts), [[-1], [-2], [-3]]);
    let several = plan(Mysql, &texts).unwrap();
    assert_eq!(several.way_back, WayBack::Restore);
    assert_eq!(several.items().map(|item| item.statements).collect::<Vec<_>>(), [1, 1, 3]);
    for (plan, words) in
        [(several, "none of the 3 files"), (plan(Mysql, &[TABLE]).unwrap(), "001_m cannot run")]
    {
        let error = plan.check(&Allowed::default()).unwrap_err();
        assert!(
            error.to_string().contains(words) && error.to_string().contains("commits at every"),
            "{error}"
        );
        assert!(!error.hint().unwrap().contains("in steps"), "{error:?}");
        plan.check(&Allowed { fence: true, ..Allowed::default() }).unwrap();
        plan.check(&Allowed { fence: true, no_backup: true, ..Allowed::default() }).unwrap_err();
    }
}

#[test]
fn what_refuses_a_transaction_stands_alone() {
    let index = "CREATE INDEX CONCURRENTLY i ON a (b);";
    assert_eq!(groups(Postgres, &[TABLE, index, "SELECT 1;", "SELECT 2;"]), [vec![1], vec![-2], vec![3, 4]]);
    assert_eq!(groups(Postgres, &[TABLE, "-- dbm: no-transaction\nSELECT 1;"]), [[1], [-2]]);
    assert_eq!(groups(Sqlite, &[TABLE, "VACUUM;"]), [[1], [-2]]);
    assert_eq!(groups(Sqlite, &["PRAGMA journal_mode = WAL;"]), [[-1]]);
    let plan = plan(Postgres, &[index]).unwrap();
    assert_eq!(plan.way_back, WayBack::Restore);
    assert!(
        plan.groups[0].because.as_ref().unwrap().contains("refuses a transaction"),
        "{:?}",
        plan.groups[0].because
    );
}

#[test]
fn a_transaction_of_its_own() {
    assert_eq!(
        groups(Postgres, &[TABLE, "BEGIN;\nINSERT INTO a VALUES (1);\nCOMMIT;", "SELECT 1;"]),
        [[1, 2, 3]]
    );
    let own = plan(Postgres, &["BEGIN;\nSELECT 1;\nEND TRANSACTION;"]).unwrap();
    assert_eq!(own.items().next().unwrap().statements, 1);
    for text in [
        "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;",
        "SELECT 1; BEGIN; SELECT 2; COMMIT;",
        "BEGIN; SELECT 1; ROLLBACK;",
    ] {
        assert_eq!(groups(Postgres, &[TABLE, text]), [[1], [-2]], "{text}");
    }
    assert_eq!(groups(Sqlite, &[TABLE, "BEGIN IMMEDIATE; SELECT 1; COMMIT;"]), [[1, 2]]);
    let error = plan(Postgres, &["SELECT 1;\nBEGIN;\nSELECT 2;"]).unwrap_err();
    assert!(error.to_string().starts_with("001_m.sql, line 2: the transaction that begins here"), "{error}");
}

#[test]
fn an_enum_value_is_used_in_a_later_group() {
    let add = "ALTER TYPE mood ADD VALUE 'calm';";
    assert_eq!(groups(Postgres, &[TABLE, add, "SELECT 1;"]), [[1, 2, 3]]);
    assert_eq!(
        groups(Postgres, &[add, "INSERT INTO a VALUES ('calm');", "SELECT 1;"]),
        [vec![1], vec![2, 3]]
    );
    assert_eq!(
        groups(Postgres, &["ALTER TYPE mood ADD VALUE 'calm'; INSERT INTO a VALUES ('calm');"]),
        [[-1]]
    );
    for user in ["COPY a FROM stdin;\ncalm\n\\.\n", "DO 'BEGIN INSERT INTO a VALUES (''calm''); END';"] {
        assert_eq!(groups(Postgres, &[add, user]), [[1], [2]], "{user}");
    }
    assert_eq!(groups(Postgres, &[add, "-- not 'calm'\nSELECT 1;"]), [[1, 2]]);
    let plan = plan(Postgres, &[add, "INSERT INTO a VALUES ('calm');"]).unwrap();
    assert!(plan.groups[1].because.as_ref().unwrap().contains("'calm'"));
}

#[test]
fn the_pragma_stands_before_the_transaction() {
    let rebuild = "PRAGMA foreign_keys = OFF;\nCREATE TABLE n (x);\nDROP TABLE a;\nPRAGMA foreign_keys = ON;";
    assert_eq!(groups(Sqlite, &[TABLE, rebuild, TABLE, TABLE]), [vec![1], vec![2], vec![3, 4]]);
    let one = plan(Sqlite, &[rebuild]).unwrap();
    let item = one.items().next().unwrap();
    assert_eq!((item.before, item.after, one.way_back), (1, 1, WayBack::Rollback));
    let wrapped = "PRAGMA foreign_keys=off; BEGIN; DROP TABLE a; COMMIT; PRAGMA foreign_keys=on;";
    let one = plan(Sqlite, &[wrapped]).unwrap();
    assert_eq!(one.items().next().unwrap().skipped, [1, 3]);
    assert_eq!(groups(Sqlite, &["SELECT 1; PRAGMA foreign_keys = OFF; DROP TABLE a;"]), [[-1]]);
}

#[test]
fn what_is_not_allowed() {
    let role = plan(Postgres, &["SELECT 1;\n\nCREATE ROLE r;"]).unwrap();
    assert_eq!((role.server_wide.len(), role.server_wide[0].line), (1, 3));
    let refused = role.check(&Allowed::default()).unwrap_err();
    assert!(refused.hint().unwrap().contains("--allow-server-wide"));
    // Not every command that tries things out has that flag.
    let refused = role.check(&Allowed { disposable: true, ..Allowed::default() }).unwrap_err();
    assert!(refused.hint().unwrap().contains("dbm repair"), "{:?}", refused.hint());
    role.check(&Allowed { server_wide: true, ..Allowed::default() }).unwrap();
    for (engine, text, what) in [
        (Mysql, "SET STATEMENT lock_wait_timeout = 1 FOR DROP USER u;", "DROP USER"),
        (Mysql, "DELIMITER //\nBEGIN NOT ATOMIC IF 1 THEN DROP USER u; END IF; END//", "DROP USER"),
        (Mysql, "EXECUTE IMMEDIATE CONCAT('DROP TABLE other.', @t);", "other.p_"),
        (Mysql, "SET @s = 'GRANT ALL ON *.* TO u'; PREPARE s FROM @s; EXECUTE s;", "GRANT ALL"),
        (Mysql, "CREATE PROCEDURE p() CREATE USER u; CALL p;", "CREATE USER"),
        (
            Postgres,
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE ROLE r'; SELECT f();",
            "CREATE ROLE",
        ),
        (Postgres, "EXPLAIN ANALYZE SELECT lo_export(1, 'x');", "lo_export"),
    ] {
        let hidden = plan(engine, &[text]).unwrap();
        assert!(hidden.server_wide.len() == 1 && hidden.server_wide[0].what.contains(what), "{hidden:?}");
    }
    let commits = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();";
    assert_eq!(groups(Postgres, &[TABLE, commits]), [vec![1], vec![-2]]);
    let check = "SELECT 1;\n-- dbm: verify\nSET STATEMENT lock_wait_timeout = 1 FOR TRUNCATE a;";
    assert!(plan(Mysql, &[check]).unwrap_err().to_string().contains("a check cannot run"));
    let two = plan(Postgres, &[TABLE, "VACUUM a;"]).unwrap();
    assert!(two.check(&Allowed::default()).unwrap_err().hint().unwrap().contains("--fence"));
    two.check(&Allowed { fence: true, ..Allowed::default() }).unwrap();
    two.check(&Allowed { accept_lost_writes: true, ..Allowed::default() }).unwrap();
    let no_backup = Allowed { no_backup: true, fence: true, ..Allowed::default() };
    assert!(two.check(&no_backup).unwrap_err().to_string().contains("--no-backup"));
    plan(Postgres, &[TABLE]).unwrap().check(&no_backup).unwrap();
    for text in ["DELETE FROM dbm_history;", "DROP SCHEMA dbm CASCADE;"] {
        let error = plan(Postgres, &[text]).unwrap_err();
        assert!(error.to_string().contains("which is dbm's own"), "{error}");
    }
}

#[test]
fn checks_are_queries_and_keep_their_lines() {
    let text = "SELECT 1;\n-- dbm: verify\nSELECT true;\n\nSELECT false;";
    let one = plan(Postgres, &[text]).unwrap();
    let item = one.items().next().unwrap();
    assert_eq!((item.statements, item.checks), (1, 2));
    let checks = script::split(Postgres, &item.verify.text).unwrap();
    assert_eq!(checks.iter().map(|check| item.verify.line_in_file(check.line)).collect::<Vec<_>>(), [3, 5]);
    assert!(plan(Postgres, &["SELECT 1;\n-- dbm: verify\nCOMMIT;"]).is_err());
    for empty in ["", "\n-- to be written\n"] {
        let error = plan(Postgres, &[&format!("SELECT 1;\n-- dbm: verify\n{empty}")]).unwrap_err();
        assert!(error.to_string().contains("line 2: no check follows"), "{error}");
    }
}
