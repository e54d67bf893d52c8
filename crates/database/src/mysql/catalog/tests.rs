use std::process::Command;

use super::super::testing::{account, fresh, fresh_for_tools};
use super::super::{Flavour, Place, Server};
use super::*;
use crate::script::{self, Statement};
use crate::{ErrorKind, Kind, Statements as _};

/// Every kind of object that MariaDB 10.11 has, with names and texts that bite; and those that MySQL has.
const EVERYTHING: &str = include_str!("tests/everything.sql");
const EVERYTHING_OF_MYSQL: &str = include_str!("tests/everything_mysql.sql");

/// A database with all of it, and which kind of server that is.
async fn everything() -> (Server, Flavour) {
    let source = fresh_for_tools().await;
    let connection = source.connect(None).await.unwrap();
    let flavour = connection.flavour();
    connection.close().await;
    let text = if flavour == Flavour::MariaDb { EVERYTHING } else { EVERYTHING_OF_MYSQL };
    run(&source, text).await;
    (source, flavour)
}

async fn run(server: &Server, text: &str) {
    let mut session = server.session().await.unwrap();
    for statement in script::split(Engine::Mysql, text).unwrap() {
        let Statement { text, line, .. } = statement;
        session.run(&statement).await.unwrap_or_else(|error| panic!("line {line}: {text}: {error}"));
    }
}

fn script_of(schema: &Schema) -> String {
    let mut text = SCRIPT_SESSION.to_owned();
    for object in &schema.objects {
        text.push_str(&object.definition);
        text.extend(counter_sql(object));
    }
    text
}

/// What the engine's own tool says of a database, without the moment and the database's name.
fn dump(server: &Server, flavour: Flavour) -> String {
    let Place::Tcp { host, port } = &server.settings().place else { panic!("a server by address") };
    let mariadb = flavour == Flavour::MariaDb;
    let mut tool = Command::new(if mariadb { "mariadb-dump" } else { "mysqldump" });
    tool.args([
        "--no-defaults",
        "--no-data",
        "--routines",
        "--events",
        "--triggers",
        "--skip-comments",
        "-u",
    ]);
    tool.arg(server.settings().user.as_deref().unwrap()).args(["-h", host, "-P", &port.to_string()]);
    if !mariadb {
        tool.args(["--no-tablespaces", "--set-gtid-purged=OFF"]);
    }
    let output = tool.arg(server.database()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).replace(server.database(), "DATABASE")
}

/// Object by object, so that what differs is seen.
fn assert_same(copy: &Schema, source: &Schema) {
    for (one, other) in copy.objects.iter().zip(&source.objects) {
        assert_eq!(one, other);
    }
    assert_eq!(copy, source);
}

fn assert_same_dump(copy: &Server, source: &Server, flavour: Flavour) {
    let (copy, source) = (dump(copy, flavour), dump(source, flavour));
    for (one, other) in copy.lines().zip(source.lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(copy, source);
}

#[tokio::test]
async fn definitions_make_the_same_database_again() {
    let ((source, flavour), copy) = (everything().await, fresh_for_tools().await);
    let schema = source.schema().await.unwrap();
    assert_eq!(schema.refused, []);
    let mut kinds: Vec<Kind> = schema.objects.iter().map(|object| object.id.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of_mariadb = [Kind::Sequence, Kind::Package, Kind::PackageBody];
    let expected: Vec<Kind> = [
        Kind::Function,
        Kind::Procedure,
        Kind::Sequence,
        Kind::Table,
        Kind::View,
        Kind::ViewBody,
        Kind::ForeignKey,
        Kind::Trigger,
        Kind::Event,
        Kind::Package,
        Kind::PackageBody,
        Kind::EventState,
    ]
    .into_iter()
    .filter(|kind| flavour == Flavour::MariaDb || !of_mariadb.contains(kind))
    .collect();
    assert_eq!(kinds, expected);
    let text = script_of(&schema);
    assert!(!text.contains(source.database()), "{text}");
    run(&copy, &text).await;
    assert_same(&copy.schema().await.unwrap(), &schema);
    assert_same_dump(&copy, &source, flavour);
    // The sequences and counters go on where they were.
    let next = |schema: &Schema| {
        schema.objects.iter().filter_map(|o| o.table.as_ref()?.next.clone()).collect::<Vec<_>>()
    };
    assert_eq!(next(&copy.schema().await.unwrap()), next(&schema));
    let mut session = copy.session().await.unwrap();
    let dependents = session.query("SELECT fired FROM log_of_orders ORDER BY 1").await.unwrap();
    assert_eq!(dependents.len(), 0, "no trigger has fired while the copy was made");
}

#[tokio::test]
async fn the_stock_client_makes_the_same_of_the_definitions() {
    let ((source, flavour), copy) = (everything().await, fresh_for_tools().await);
    let schema = source.schema().await.unwrap();
    let Place::Tcp { host, port } = &copy.settings().place else { panic!("a server by address") };
    let mut client = Command::new(if flavour == Flavour::MariaDb { "mariadb" } else { "mysql" });
    client.args([
        "--no-defaults",
        "--comments",
        "-u",
        copy.settings().user.as_deref().unwrap(),
        "-h",
        host,
        "-P",
    ]);
    client.arg(port.to_string()).arg(copy.database()).stdin(std::process::Stdio::piped());
    let mut client = client.stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut client.stdin.take().unwrap(), script_of(&schema).as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same(&copy.schema().await.unwrap(), &schema);
    assert_same_dump(&copy, &source, flavour);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_empty_definition() {
    let server = fresh().await;
    run(&server, "CREATE TABLE t (a int); CREATE PROCEDURE p() SELECT 1").await;
    let (_, plain) = account(&server, "SELECT, EXECUTE, TRIGGER, EVENT").await;
    let error = plain.schema().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("procedure p"), "{error}");
    run(&server, "DROP PROCEDURE p; CREATE VIEW v AS SELECT * FROM t").await;
    let error = plain.schema().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("view v") && error.hint().is_some(), "{error:?}");
    run(&server, "ALTER TABLE t RENAME u").await;
    let refused = server.schema().await.unwrap().check_carried().unwrap_err();
    assert!(refused.to_string().contains("view v"), "{refused}");
}
