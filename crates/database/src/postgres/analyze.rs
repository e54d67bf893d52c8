//! Statistics of all tables, in statements for several sessions.

use tokio_postgres::Client;

use super::error;
use crate::Result;

/// A statement ends with the table that fills it up to this many of the server's pages,
const PAGES: i64 = 4096;
/// or with this many tables.
const TABLES: usize = 100;

/// All that a plain `ANALYZE` looks at, the largest first, but foreign tables and their parents: no other server is to
/// be asked. What an account may not analyze, the server warns of.
const LIST: &str = "\
WITH RECURSIVE far AS (
    SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f'
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN far ON far.oid = i.inhrelid)
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       COALESCE(pg_catalog.pg_relation_size(c.oid) / 8192, 0)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_toast'
  AND NOT (c.relisshared) AND c.oid NOT IN (SELECT oid FROM far)
ORDER BY 2 DESC, 1";

/// `ANALYZE` statements that together are one of the whole database, for any number of sessions in any order.
///
/// # Errors
/// What the server says.
pub async fn statements(client: &Client) -> Result<Vec<String>> {
    let rows = client.query(LIST, &[]).await.map_err(|cause| error(cause, "cannot list the tables"))?;
    let tables: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(together(&tables))
}

fn together(tables: &[(String, i64)]) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let (mut count, mut sum) = (TABLES, 0);
    for (name, pages) in tables {
        match statements.last_mut() {
            Some(last) if count < TABLES && sum + pages <= PAGES => {
                last.push_str(", ");
                last.push_str(name);
            }
            _ => {
                (count, sum) = (0, 0);
                statements.push(format!("ANALYZE {name}"));
            }
        }
        (count, sum) = (count + 1, sum + pages);
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_tables_alone_and_small_ones_together() {
        let mut tables = vec![("a.big".to_owned(), 9_000), ("a.b".to_owned(), 4_000), ("a.c".to_owned(), 50)];
        tables.extend((0..150).map(|n| (format!("a.t{n}"), 1)));
        let statements = together(&tables);
        assert_eq!(statements[0], "ANALYZE a.big");
        assert!(statements[1].starts_with("ANALYZE a.b, a.c, a.t0, "));
        assert_eq!(statements.len(), 4);
        assert_eq!(statements.iter().map(|one| one.matches("a.").count()).sum::<usize>(), tables.len());
    }
}
