//! Small pieces of SQL, and the settings under which the server prints definitions.

use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Row};

use crate::postgres;
use crate::{Engine, Error, ErrorKind, Result, quote};

/// Namespaces that are the user's: no one else's begins with `pg_`, and `dbm` is ours. `n` is pg_namespace.
pub(super) const OURS: &str =
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> 'dbm'";

/// Below this number an object came with the server: FirstNormalObjectId of
/// <https://github.com/postgres/postgres/blob/master/src/include/access/transam.h>.
pub(super) const FIRST_OID: u32 = 16_384;

pub(super) fn ident(name: &str) -> String {
    quote::identifier(Engine::Postgres, name)
}

pub(super) fn qual(namespace: &str, name: &str) -> String {
    quote::qualified(Engine::Postgres, &[namespace, name])
}

pub(super) fn lit(text: &str) -> String {
    quote::literal(Engine::Postgres, text)
}

/// `name=value` settings of a relation as a list for `WITH (…)` or `SET (…)`; names may have a prefix. Their order
/// is the server's: `pg_dump` prints it, and a copy's must be equal.
pub(super) fn options(prefix: &str, options: &[String]) -> Vec<String> {
    options
        .iter()
        .map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, "true"));
            format!("{prefix}{}={}", ident(name), lit(value))
        })
        .collect()
}

/// The value of a column of a row.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<T> {
    row.try_get(column).map_err(|error| {
        let what = format!("the server's answer about its catalogs has no usable `{column}`");
        Error::new(ErrorKind::Internal, what).with_source(error)
    })
}

/// A definition as a complete statement.
pub(super) fn complete(definition: &str) -> String {
    format!("{};\n", definition.trim_end().trim_end_matches(';'))
}

/// What decides how the server prints definitions.
const SETTINGS: [(&str, &str); 7] = [
    ("search_path", ""),
    ("quote_all_identifiers", "off"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("TimeZone", "UTC"),
];

/// Settles how the server prints definitions; returns what was set before.
pub(super) async fn settle(client: &Client) -> Result<Vec<String>> {
    let query = SETTINGS.map(|(name, _)| format!("current_setting('{name}')"));
    let row = client
        .query_one(&format!("SELECT {}", query.join(", ")), &[])
        .await
        .map_err(|error| postgres::error(error, "cannot read the session's settings"))?;
    let before = (0..SETTINGS.len()).map(|at| row.get(at)).collect();
    set(client, SETTINGS.map(|(_, value)| value)).await?;
    Ok(before)
}

/// Puts the session's settings back.
pub(super) async fn unsettle(client: &Client, before: &[String]) -> Result<()> {
    set(client, before.iter().map(String::as_str)).await
}

async fn set<'v>(client: &Client, values: impl IntoIterator<Item = &'v str>) -> Result<()> {
    let calls: Vec<String> = SETTINGS
        .iter()
        .zip(values)
        .map(|((name, _), value)| format!("pg_catalog.set_config('{name}', {}, false)", lit(value)))
        .collect();
    client
        .batch_execute(&format!("SELECT {}", calls.join(", ")))
        .await
        .map_err(|error| postgres::error(error, "cannot set how the server prints definitions"))
}
