use chrono::Utc;
use database::sqlite::{self, File, digest};
use database::{Engine, Kind, ObjectId, Table, TableDigest, quote};
use rusqlite::Connection;

use super::{load, preflight::check_engine};
use crate::archive::{Archive, TableEntry};
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::restore::names::{Made, made};
use crate::sqlite::check::blocking;
use crate::sqlite::scratch::Scratch;
use crate::{Error, ErrorKind, Result};

/// SQLite has no limit of its own; names stay readable.
const LIMIT: usize = 200;

/// Restores one table's rows into a new table beside it: its columns with their types, and no constraint or index.
pub(crate) async fn table(
    archive: &Archive,
    file: &File,
    table: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<String> {
    check_engine(archive)?;
    let tables = &archive.index().tables;
    let exact = tables.iter().find(|entry| entry.id.name == table);
    let alike = || tables.iter().find(|entry| entry.id.name.eq_ignore_ascii_case(table));
    let Some(entry) = exact.or_else(alike).cloned() else {
        return Err(Error::new(ErrorKind::NotFound, format!("{} has no table `{table}`", archive.name()))
            .with_hint("`dbm show NAME` lists its tables"));
    };
    let path = file.canonical_path()?;
    let scratch = blocking(move || Scratch::new(&path)).await?;
    load::load(archive, &scratch.file(), options, progress).await?;
    let copied = file
        .with(move |target| {
            // It lives until the rows are in the target.
            let scratch = scratch;
            let what = |cause| sqlite::error(cause, "cannot read the restored rows");
            target.execute("ATTACH ?1 AS dbm_archive", [scratch.file().to_string_lossy()]).map_err(what)?;
            let copied = copy(target, &entry);
            target.execute_batch("DETACH dbm_archive").map_err(what)?;
            copied
        })
        .await?;
    progress.done();
    Ok(copied)
}

fn copy(target: &mut Connection, entry: &TableEntry) -> database::Result<String> {
    let what = |cause| sqlite::error(cause, &format!("cannot restore the rows of `{}`", entry.id.name));
    let name = |name: &str| quote::identifier(Engine::Sqlite, name);
    let transaction =
        target.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(what)?;
    let new = free(&transaction, &entry.id.name).map_err(what)?;
    let strict: bool = transaction
        .query_row(
            "SELECT strict FROM pragma_table_list WHERE schema = 'dbm_archive' AND name = ?1",
            [&entry.id.name],
            |row| row.get(0),
        )
        .map_err(what)?;
    let types: Vec<(String, String)> = {
        let sql = format!("PRAGMA dbm_archive.table_xinfo({})", name(&entry.id.name));
        let mut statement = transaction.prepare(&sql).map_err(what)?;
        let rows = statement.query_map([], |row| Ok((row.get("name")?, row.get("type")?))).map_err(what)?;
        rows.collect::<rusqlite::Result<_>>().map_err(what)?
    };
    let type_of = |column: &str| {
        types.iter().find(|(name, _)| name == column).map_or("", |(_, of)| of.as_str()).to_owned()
    };
    let columns: Vec<String> = entry.columns.iter().map(&name).collect();
    let defined: Vec<String> = entry
        .columns
        .iter()
        .map(|column| format!("{} {}", name(column), type_name(&type_of(column))))
        .collect();
    let list = columns.join(", ");
    transaction
        .execute_batch(&format!(
            "CREATE TABLE main.{table} ({}){}; INSERT INTO main.{table} ({list}) SELECT {list} FROM dbm_archive.{}",
            defined.join(", "),
            if strict { " STRICT" } else { "" },
            name(&entry.id.name),
            table = name(&new),
        ))
        .map_err(what)?;
    let id = ObjectId { kind: Kind::Table, namespace: String::new(), of: String::new(), name: new.clone() };
    if rows(&transaction, &id, entry)? != entry.digest {
        return Err(database::Error::new(
            database::ErrorKind::Refused,
            format!("the rows of `{}` that came back are not those of the archive's index", entry.id.name),
        )
        .with_hint("nothing was changed; restore the whole archive into a new file with `--into NAME`"));
    }
    transaction.commit().map_err(what)?;
    Ok(new)
}

/// A type as it stands in a definition. Its words are quoted, since it may hold anything.
fn type_name(of: &str) -> String {
    if of.chars().all(|letter| letter.is_ascii_alphanumeric() || " _(),".contains(letter)) {
        of.to_owned()
    } else {
        quote::identifier(Engine::Sqlite, of)
    }
}

fn rows(connection: &Connection, id: &ObjectId, entry: &TableEntry) -> database::Result<TableDigest> {
    let column = |name: &str| database::Column {
        name: name.to_owned(),
        data_type: String::new(),
        not_null: false,
        default: None,
        generated: None,
    };
    let table = Table { columns: entry.columns.iter().map(column).collect(), ..Table::default() };
    digest::table(connection, id, &table)
}

fn free(connection: &Connection, table: &str) -> rusqlite::Result<String> {
    let at = Utc::now();
    let mut attempt = 0;
    loop {
        let name = made(table, Made::Table, at, attempt, LIMIT);
        let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE)";
        if !connection.query_row(sql, [&name], |row| row.get::<_, bool>(0))? {
            return Ok(name);
        }
        attempt += 1;
    }
}
