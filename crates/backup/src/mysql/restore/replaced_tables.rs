//! What is left to do after an exchange within one database: the replaced tables go, and their names become free.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use database::mysql::{Flavour, Server, Session, catalog, digest};
use database::{Engine, Statements as _, TableDigest, quote};

use super::pieces;
use super::place::{Plan, quoted, reader};
use super::renamed::old_name;
use crate::restore::names::{self, Made};
use crate::{Error, ErrorKind, Result};

/// How long the sessions of a killed restore may take to end.
const END: Duration = Duration::from_secs(60);

/// Drops the tables that were replaced. One whose rows are not those of the backup was written to since, and is kept by
/// another name. Returns what is to be said of those.
pub(super) async fn let_go(plan: &Plan, session: &mut Session, server: &Server) -> Result<Vec<String>> {
    let there: BTreeSet<String> = super::swap::there(session, &plan.target).await?.into_iter().collect();
    let names = plan.old.tables.iter().map(|table| (old_name(table), table));
    let left: BTreeMap<String, &String> = names.filter(|(old, _)| there.contains(old)).collect();
    if left.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = server.connect(None).await?;
    let schema = catalog::read(&mut connection, &plan.target).await?;
    connection.close().await;
    let mut connection = reader(server).await?;
    let mut kept = Vec::new();
    for (id, table) in schema.tables_with_rows() {
        let Some(name) = left.get(&id.name) else { continue };
        let now = digest::table(&mut connection, id, table).await?;
        if plan.kept.get(*name).copied() != Some(now) && now != TableDigest::default() {
            kept.push((id.name.clone(), *name));
        }
    }
    connection.close().await;
    let mut told = Vec::new();
    for (old, name) in kept {
        let new = free_name(&there, name, plan);
        free_constraints(session, &old).await?;
        pieces::run(session, &format!("RENAME TABLE {} TO {}", quoted(&old), quoted(&new))).await?;
        told.push(format!(
            "rows of {} were written after the backup that was made first: the table that was replaced is kept as {}; \
             drop it when they are no longer wanted",
            quoted(name),
            quoted(&new)
        ));
    }
    let there: BTreeSet<String> = super::swap::there(session, &plan.target).await?.into_iter().collect();
    for old in left.keys().filter(|old| there.contains(*old)) {
        pieces::run(session, &format!("DROP TABLE {}", quoted(old))).await?;
    }
    Ok(told)
}

fn free_name(there: &BTreeSet<String>, table: &str, plan: &Plan) -> String {
    let name = |attempt| names::made(table, Made::Replaced, plan.when, attempt, super::scratch::NAME_BYTES);
    (0..100).map(name).find(|name| !there.contains(name)).unwrap_or_else(|| name(100))
}

/// Drops the constraints of a table whose names belong to the whole database.
async fn free_constraints(session: &mut Session, table: &str) -> Result<()> {
    let kinds = match session.flavour() {
        Flavour::MariaDb => "'FOREIGN KEY'",
        Flavour::MySql => "'FOREIGN KEY', 'CHECK'",
    };
    let sql = format!(
        "SELECT constraint_type, constraint_name FROM information_schema.table_constraints
          WHERE table_schema = DATABASE() AND table_name = {} AND constraint_type IN ({kinds})",
        quote::literal(Engine::Mysql, table)
    );
    let drops = session.query(&sql).await?.into_iter().filter_map(|row| {
        let [kind, name] = <[Option<String>; 2]>::try_from(row).ok()?;
        Some(format!("DROP {} {}", kind?, quoted(&name?)))
    });
    let drops: Vec<String> = drops.collect();
    if drops.is_empty() {
        return Ok(());
    }
    pieces::run(session, &format!("ALTER TABLE {} {}", quoted(table), drops.join(", "))).await
}

/// Gives constraints the names that those of the replaced tables had until now.
pub(super) async fn name_constraints(plan: &Plan, session: &mut Session) -> Result<()> {
    let sql = "SELECT constraint_name FROM information_schema.table_constraints WHERE constraint_schema = DATABASE()";
    let there: BTreeSet<String> = session.query(sql).await?.into_iter().flatten().flatten().collect();
    let mut changes: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for one in plan.renamed.constraints.iter().filter(|one| there.contains(&one.made)) {
        let (drops, adds) = changes.entry(&one.table).or_default();
        drops.push(format!("DROP {} {}", one.word, quoted(&one.made)));
        adds.push(format!("ADD {}", one.clause));
    }
    for (table, (drops, adds)) in changes {
        let changes = [drops, adds].concat().join(", ");
        pieces::run(session, &format!("ALTER TABLE {} {changes}", quoted(table))).await?;
    }
    Ok(())
}

/// Ends the sessions that a killed restore has left to the server at work on its tables, and waits until they are gone.
pub(super) async fn end_loaders(plan: &Plan, session: &mut Session) -> Result<()> {
    let sql = format!(
        "SELECT id FROM information_schema.processlist WHERE db = {} AND id <> CONNECTION_ID()
            AND INSTR(info, '`dbm_new_') > 0",
        quote::literal(Engine::Mysql, &plan.target)
    );
    let deadline = Instant::now() + END;
    loop {
        let loaders: Vec<String> = session.query(&sql).await?.into_iter().flatten().flatten().collect();
        if loaders.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::new(ErrorKind::Busy, "the sessions of a restore that was stopped do not end")
                .with_hint("their statements take long to undo: see SHOW PROCESSLIST, and try again when they are gone"));
        }
        for id in loaders {
            // It may have gone meanwhile.
            if let Err(error) = session.batch(&format!("KILL {id}"), "cannot end a session").await {
                tracing::debug!(%error, "a session of a stopped restore is not ended");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
