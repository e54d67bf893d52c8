use backup::Result;
use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Session, quote};

use crate::files::{Name, Unless};

/// The system's, whatever the database's users have put before it: names alone are theirs here.
const EQUAL: &str = "OPERATOR(pg_catalog.=)";

/// Foreign servers, subscriptions, connections that functions open, and languages that may do anything.
pub(super) const REACHING: &str = "
    SELECT 'foreign server ' || srvname FROM pg_foreign_server
    UNION ALL SELECT 'subscription ' || s.subname FROM pg_subscription s
       JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
    UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname = 'dblink'
    UNION ALL SELECT 'functions in the untrusted language ' || lanname FROM pg_language l
     WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c', 'sql') AND EXISTS (SELECT FROM pg_proc WHERE prolang = l.oid)
    ORDER BY 1";

/// What brings such along, and functions that act on other sessions, on the server or on its files.
pub(super) const REACHING_WORDS: &[&str] = &[
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_promote",
    "pg_switch_wal",
    "lo_export",
    "dblink",
    "_fdw",
    "create server",
    "foreign table",
    "import foreign schema",
    "create subscription",
    "plpython",
    "plperlu",
    "pltclu",
];

fn literal(text: &str) -> String {
    quote::literal(Engine::Postgres, text)
}

/// The role, whose one member is the database's owner, is there from PostgreSQL 14 on.
pub(super) const HISTORY_FOR_OWNER: &str = "DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'pg_database_owner') THEN
    GRANT ALL ON public.dbm_history TO pg_database_owner;
  END IF;
END $$";

pub(super) fn history_exists(table: &str) -> String {
    // A view, or a table with policies, would run somebody's code where it is read.
    format!(
        "SELECT 1 FROM pg_catalog.pg_class WHERE oid {EQUAL} pg_catalog.to_regclass({}) AND relkind {EQUAL} 'r' \
         AND NOT relrowsecurity",
        literal(table)
    )
}

/// An expression's words without casts and brackets. What `x IN ('a', 'b')` is on a `varchar` is shown as an array with one
/// cast, and what is made from that as one with a cast for each element.
pub(super) fn without_casts(definition: &str) -> Vec<&str> {
    let lexemes = script::lexemes(Engine::Postgres, definition).unwrap_or_default();
    let sign = |place: usize, sign: u8| lexemes.get(place).is_some_and(|lexeme| lexeme.is_sign(sign));
    let more = ["VARYING", "PRECISION", "WITH", "WITHOUT", "TIME", "ZONE"];
    let (mut words, mut place) = (Vec::new(), 0);
    while let Some(lexeme) = lexemes.get(place) {
        place += 1;
        if lexeme.is_sign(b':') && sign(place, b':') {
            place += 2;
            while sign(place, b'.') {
                place += 2;
            }
            let is_more = |lexeme: &Lexeme<'_>| more.iter().any(|word| lexeme.is(word));
            let is_number =
                |place: usize| lexemes.get(place).is_some_and(|lexeme| lexeme.kind == LexemeKind::Number);
            loop {
                if lexemes.get(place).is_some_and(is_more) || sign(place, b'[') || sign(place, b']') {
                    place += 1;
                } else if sign(place, b'(') && is_number(place + 1) {
                    place +=
                        lexemes[place..].iter().position(|one| one.is_sign(b')')).map_or(1, |end| end + 1);
                } else {
                    break;
                }
            }
        } else if !lexeme.is_sign(b'(') && !lexeme.is_sign(b')') {
            words.push(lexeme.text);
        }
    }
    words
}

/// The server itself resolves what is written, as it would in the file's own statements.
pub(super) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    let sql = match unless {
        Unless::Table(name) => format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE oid {EQUAL} pg_catalog.to_regclass({}) AND relkind {EQUAL} ANY ('{{r,p,f}}')",
            literal(&name.to_string())
        ),
        Unless::Index(name) => {
            // What stands before the name is a namespace, or the index's table; with two before it, both.
            let alone = match name.parts.len() {
                ..3 => literal(&name.to_string()),
                _ => "NULL".to_owned(),
            };
            let of_table = table_and(name).map_or_else(String::new, |(table, index)| {
                format!(
                    " OR x.indrelid {EQUAL} pg_catalog.to_regclass({table}) AND c.relname {EQUAL} {index}"
                )
            });
            // One that a failed CREATE INDEX CONCURRENTLY has left serves nobody; of a partitioned table it becomes valid with
            // the last partition's.
            format!(
                "SELECT 1 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid {EQUAL} x.indexrelid \
                 WHERE (x.indisvalid OR c.relkind {EQUAL} 'I') AND (c.oid {EQUAL} pg_catalog.to_regclass({alone}){of_table})"
            )
        }
        Unless::Column(name) => {
            let Some((table, column)) = table_and(name) else { return Ok(false) };
            format!(
                "SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid {EQUAL} pg_catalog.to_regclass({table}) AND attname {EQUAL} {column} \
                 AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped"
            )
        }
        Unless::Constraint(name) => {
            let Some((table, constraint)) = table_and(name) else { return Ok(false) };
            format!(
                "SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid {EQUAL} pg_catalog.to_regclass({table}) AND conname {EQUAL} {constraint}"
            )
        }
    };
    Ok(!session.query(&sql).await?.is_empty())
}

/// The literals of a table's name and of the name of a thing of it; unquoted names are folded as the server does.
fn table_and(name: &Name) -> Option<(String, String)> {
    let (table, (part, quoted)) = name.split_last()?;
    let part = if quoted { part } else { part.to_lowercase() };
    Some((literal(&table.to_string()), literal(&part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_in_other_words() {
        let first =
            "CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[])))";
        let again = "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y'::character varying)::text])))";
        assert_eq!(without_casts(first), without_casts(again));
        assert_ne!(without_casts(first), without_casts(&again.replace("'y'", "'z'")));
        assert_eq!(without_casts("a::numeric(10,2) + b"), ["a", "+", "b"]);
    }
}
