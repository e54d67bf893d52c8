//! What no `RENAME TABLE` moves from one database to another: views, routines, triggers and events are made again there, and
//! MERGE tables, which have no rows of their own and would go on looking for theirs in the database that they were in.

use std::collections::BTreeSet;

use database::mysql::Session;
use database::mysql::catalog::text::{Create, without_database};
use database::mysql::catalog::{SCRIPT_MODE, SCRIPT_SESSION};
use database::{Engine, Kind, Object, ObjectId, Schema, quote, script};
use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Result};

/// One object and the statements that make it in the database that the session is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    id: ObjectId,
    definition: String,
}

/// The pieces of a schema, in the order in which they are made.
pub(super) fn of(schema: &Schema) -> Vec<Piece> {
    let made_again = |object: &&Object| match object.id.kind {
        Kind::Table => is_merge(&object.definition),
        kind => !matches!(kind, Kind::Sequence | Kind::ForeignKey),
    };
    let objects = schema.objects.iter().filter(made_again);
    objects.map(|object| Piece { id: object.id.clone(), definition: object.definition.clone() }).collect()
}

fn is_merge(definition: &str) -> bool {
    let tail = Create::read(definition).map(|create| create.tail.to_ascii_uppercase()).unwrap_or_default();
    tail.starts_with(") ENGINE=MRG_MYISAM")
}

/// The first of the pieces whose text names a database, as what people write may do: no server takes such a name out.
pub(super) fn naming<'p>(pieces: &'p [Piece], database: &str, lower_case: bool) -> Option<&'p ObjectId> {
    let cased = |text: &str| if lower_case { text.to_lowercase() } else { text.to_owned() };
    let database = &cased(database);
    let names = |piece: &&Piece| {
        let definition = cased(&piece.definition);
        let statements = script::split(Engine::Mysql, &definition).unwrap_or_default();
        statements.iter().any(|statement| {
            ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"].iter().any(
                |mode| {
                    without_database(statement.text, database, mode, statement.text.len())
                        .is_ok_and(|without| without != statement.text)
                },
            )
        })
    };
    pieces.iter().find(names).map(|piece| &piece.id)
}

/// The same with all events switched off: what was replaced does nothing by itself.
pub(super) fn asleep(pieces: &[Piece]) -> Vec<Piece> {
    pieces.iter().filter(|piece| piece.id.kind != Kind::EventState).cloned().collect()
}

/// The routines among them.
pub(super) fn routines(pieces: &[Piece]) -> Vec<&ObjectId> {
    let kinds = [Kind::Function, Kind::Procedure, Kind::Package];
    pieces.iter().map(|piece| &piece.id).filter(|id| kinds.contains(&id.kind)).collect()
}

/// Whether something of them acts by itself when rows are written, or when its time comes.
pub(super) fn act(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| matches!(piece.id.kind, Kind::Trigger | Kind::Event))
}

/// The statements that give columns their defaults again, where those ask a sequence: a table that moves goes on asking
/// the sequence of the database that it was in.
pub(super) fn defaults(schema: &Schema) -> Vec<String> {
    let mut statements = Vec::new();
    for (id, table) in schema.objects.iter().filter_map(|object| Some((&object.id, object.table.as_ref()?))) {
        for column in &table.columns {
            let Some(default) = column.default.as_ref().filter(|_| id.kind == Kind::Table) else { continue };
            let lower = default.to_lowercase();
            if lower.contains("nextval(") || lower.contains("lastval(") {
                statements.push(format!(
                    "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT ({default})",
                    quote::identifier(Engine::Mysql, &id.name),
                    quote::identifier(Engine::Mysql, &column.name)
                ));
            }
        }
    }
    statements
}

/// Goes to a database, with the settings that definitions need.
pub(super) async fn enter(session: &mut Session, database: &str) -> Result<()> {
    run(session, &format!("USE {}", quote::identifier(Engine::Mysql, database))).await?;
    session.batch(SCRIPT_SESSION, "cannot set a session up").await?;
    Ok(())
}

/// Removes the pieces, those of them that are there, from the database that the session is in.
pub(super) async fn clear(session: &mut Session, pieces: &[Piece]) -> Result<()> {
    let mut drops = BTreeSet::new();
    for piece in pieces {
        let (rank, word) = match piece.id.kind {
            Kind::Event | Kind::EventState => (0, "EVENT"),
            Kind::Trigger => (1, "TRIGGER"),
            Kind::View | Kind::ViewBody => (2, "VIEW"),
            Kind::Function => (3, "FUNCTION"),
            Kind::Procedure => (3, "PROCEDURE"),
            Kind::Package | Kind::PackageBody => (3, "PACKAGE"),
            // A MERGE table: of no others is there a piece.
            Kind::Table => (4, "TABLE"),
            _ => continue,
        };
        drops.insert((rank, word, piece.id.name.as_str()));
    }
    for (_, word, name) in drops {
        let name = quote::identifier(Engine::Mysql, name);
        // MariaDB before 11 knows packages in that mode only.
        let mode = if word == "PACKAGE" { "SET sql_mode = 'ORACLE'; " } else { "" };
        let back = if mode.is_empty() { String::new() } else { format!("; SET sql_mode = '{SCRIPT_MODE}'") };
        run(session, &format!("{mode}DROP {word} IF EXISTS {name}{back}")).await?;
    }
    Ok(())
}

/// Makes the pieces in the database that the session is in.
pub(super) async fn make(session: &mut Session, pieces: &[Piece]) -> Result<()> {
    for piece in pieces {
        text(session, &piece.definition, &format!("cannot make {}", piece.id)).await?;
    }
    Ok(())
}

/// The same; what cannot be made is told, with its text, and left out.
pub(super) async fn make_what_can_be(session: &mut Session, pieces: &[Piece], place: &str) -> Result<()> {
    for piece in pieces {
        match text(session, &piece.definition, "").await {
            Err(error) if error.kind() == ErrorKind::Connection => return Err(error),
            Err(error) => {
                tracing::warn!(%error, text = piece.definition, "{} cannot be made in `{place}`", piece.id);
                session.batch(SCRIPT_SESSION, "cannot set a session up").await?;
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Runs a text of definitions; `what` failed if it does.
pub(super) async fn text(session: &mut Session, text: &str, what: &str) -> Result<()> {
    for statement in script::split(Engine::Mysql, text)? {
        session.batch(statement.text, what).await?;
    }
    Ok(())
}

/// Runs one statement of ours.
pub(super) async fn run(session: &mut Session, sql: &str) -> Result<()> {
    Ok(session.batch(sql, &format!("cannot run `{sql}`")).await?)
}
