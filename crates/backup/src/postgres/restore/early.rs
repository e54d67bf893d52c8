//! Which indexes may be built before all rows are in.
//!
//! An index on an expression calls functions, and a function that says that it is immutable may read another table
//! all the same: such an index is right only when that one's rows are in. So only those that name nothing but columns
//! of their own table go early; whatever is not understood does not.

use std::collections::HashMap;

use database::{Engine, Kind, ObjectId, Section, script};

use crate::Result;
use crate::archive::{Archive, Aspect, Part, PartNumber};

/// The parts that make nothing but such indexes and unique constraints, and follow only others of them; with how many bytes
/// the dump's server said that they have, or 0.
pub(crate) async fn early(archive: &Archive) -> Result<HashMap<PartNumber, u64>> {
    let known = super::extras(archive)?.index_sizes;
    let known: HashMap<(&str, &str), u64> =
        known.iter().map(|one| ((one.namespace.as_str(), one.name.as_str()), one.bytes)).collect();
    let size = |id: &ObjectId| known.get(&(id.namespace.as_str(), id.name.as_str())).copied().unwrap_or(0);
    let mut early = HashMap::new();
    let parts = &archive.index().parts;
    for (number, part) in (0..).zip(parts) {
        let alone = part.follows.iter().all(|other| {
            early.contains_key(other)
                || parts.get(*other as usize).is_none_or(|part| part.section != Section::PostData)
        });
        if alone && of_indexes(part) && is_plain(&String::from_utf8_lossy(&archive.part(number).await?))? {
            early.insert(number, part.objects.iter().map(size).sum());
        }
    }
    Ok(early)
}

fn of_indexes(part: &Part) -> bool {
    part.section == Section::PostData
        && matches!(part.aspect, Aspect::Definition | Aspect::Index)
        && part
            .objects
            .iter()
            .all(|id| matches!(id.kind, Kind::Index | Kind::Constraint) && !id.of.is_empty())
}

fn is_plain(text: &str) -> Result<bool> {
    let statements = script::split(Engine::Postgres, text)?;
    Ok(statements.iter().all(|statement| is_index(statement.text) || is_key(statement.text)))
}

/// `CREATE INDEX … USING method (columns) …` without expression and predicate.
fn is_index(statement: &str) -> bool {
    let begins = ["CREATE INDEX ", "CREATE UNIQUE INDEX "].iter().any(|begin| statement.starts_with(begin));
    let mut halves = statement.split(" USING ");
    let (Some(_), Some(rest), None) = (halves.next(), halves.next(), halves.next()) else { return false };
    let Some((_, list)) = rest.split_once(" (") else { return false };
    let Some((columns, tail)) = list.split_once(')') else { return false };
    let quotes = columns.bytes().filter(|&byte| byte == b'"').count();
    begins && quotes % 2 == 0 && !columns.contains('(') && !tail.contains("WHERE")
}

/// `ALTER TABLE … ADD CONSTRAINT … PRIMARY KEY` or `UNIQUE`.
fn is_key(statement: &str) -> bool {
    let other = ["EXCLUDE", "CHECK", "FOREIGN", "WHERE", "NOT VALID"];
    statement.starts_with("ALTER TABLE ")
        && statement.contains("ADD CONSTRAINT ")
        && (statement.contains(" PRIMARY KEY (") || statement.contains(" UNIQUE "))
        && !other.iter().any(|word| statement.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_alone_go_early() {
        for (text, plain) in [
            (
                "CREATE INDEX i ON public.t USING btree (a, \"b c\" DESC) INCLUDE (d) WITH (fillfactor='70');\n",
                true,
            ),
            ("CREATE UNIQUE INDEX i ON public.t USING btree (a);\n", true),
            ("ALTER TABLE ONLY \"public\".\"t\"\n    ADD CONSTRAINT \"p\" PRIMARY KEY (a, b);\n", true),
            (
                "ALTER TABLE ONLY \"public\".\"t\"\n    ADD CONSTRAINT \"p\" UNIQUE NULLS NOT DISTINCT (a);\n",
                true,
            ),
            ("CREATE INDEX i ON public.t USING btree (lower(a));\n", false),
            ("CREATE INDEX i ON public.t USING btree (\"a)b\", f(a));\n", false),
            ("CREATE INDEX \"x USING y (b)\" ON public.t USING btree (f(a));\n", false),
            ("CREATE INDEX i ON public.t USING btree (a) WHERE f(a);\n", false),
            (
                "CREATE INDEX i ON public.t USING btree (a);\nCREATE INDEX j ON public.t USING btree (f(a));\n",
                false,
            ),
            ("ALTER TABLE ONLY t ADD CONSTRAINT e EXCLUDE USING gist (a WITH &&);\n", false),
            ("ALTER TABLE ONLY t ADD CONSTRAINT c CHECK (f(a) AND UNIQUE );\n", false),
            ("ALTER INDEX i ATTACH PARTITION j;\n", false),
        ] {
            assert_eq!(is_plain(text).unwrap(), plain, "{text}");
        }
    }
}
