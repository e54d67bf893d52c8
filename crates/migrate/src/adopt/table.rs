use std::cmp::Ordering;
use std::collections::BTreeMap;

use backup::{Error, ErrorKind, Result};
use database::{Engine, Session, quote};

use super::{Applied, Project, Tool};

/// Where a tool keeps what it has applied.
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// The names that it has by default, the usual one first; a `.` parts a namespace from it.
    pub(super) names: &'static [&'static str],
    /// What is applied, one a row, in its order; `{}` is the table.
    pub(super) versions: &'static str,
    /// What has failed half-way, if the tool says so.
    pub(super) failed: Option<&'static str>,
    /// A row stands for all migrations up to it.
    pub(super) up_to: bool,
    /// What stands for all up to it, whether that has a file or not.
    pub(super) baseline: Option<Baseline>,
    /// What was last run of that which runs again when its text changes, one a row, if the tool says with which text.
    pub(super) again: Option<&'static str>,
    /// The version that a row of `versions` means, where its first value alone does not say so.
    pub(super) meant: Option<fn(&Project, &[String]) -> String>,
}

/// Rows that say where a database began.
#[derive(Clone, Copy)]
pub(super) struct Baseline {
    /// Their versions; `{}` is the table.
    pub(super) versions: &'static str,
    /// How the tool orders versions.
    pub(super) order: fn(&str, &str) -> Ordering,
}

impl Table {
    pub(super) async fn read(
        &self,
        session: &mut dyn Session,
        project: &Project,
        named: Option<&str>,
        nothing_applied: bool,
    ) -> Result<(Applied, Vec<String>)> {
        let names: Vec<&str> = named.map_or_else(|| self.names.to_vec(), |name| vec![name]);
        for name in &names {
            let table = quoted(session.engine(), name);
            let rows = match session.query(&self.versions.replace("{}", &table)).await {
                Ok(rows) => rows,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(failed) = self.failed {
                let failed = session.query(&failed.replace("{}", &table)).await?;
                if let Some(version) = failed.into_iter().flatten().flatten().next() {
                    let what = format!("{name} says that {version} has failed half-way");
                    return Err(Error::new(ErrorKind::Refused, what)
                        .with_hint("mend that with the tool that began it; then adopt"));
                }
            }
            let version = |row: Vec<Option<String>>| match self.meant {
                None => row.into_iter().next().flatten(),
                Some(meant) => {
                    Some(meant(project, &row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()))
                }
            };
            let versions = rows.into_iter().filter_map(version).collect();
            let mut below = Vec::new();
            if let Some(baseline) = self.baseline {
                let rows = session.query(&baseline.versions.replace("{}", &table)).await?;
                below = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            }
            let mut again = Vec::new();
            if let Some(query) = self.again {
                let rows = session.query(&query.replace("{}", &table)).await?;
                again = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            }
            let applied = match (self.up_to, self.baseline) {
                (true, _) => Applied::UpTo(versions),
                (false, baseline) => Applied::Each {
                    versions,
                    below,
                    order: baseline.map_or(str::cmp, |baseline| baseline.order),
                },
            };
            return Ok((applied, again));
        }
        match named {
            None if nothing_applied => Ok((Applied::None, Vec::new())),
            None => Ok((self.elsewhere(session).await?, Vec::new())),
            Some(name) => {
                Err(Error::new(ErrorKind::Usage, format!("there is no table {name} in the database"))
                    .with_hint("without --table the tool's usual one is looked for"))
            }
        }
    }
}

impl Table {
    /// What it means that the table is not where it is looked for: nothing is applied only where nothing is there at all.
    async fn elsewhere(&self, session: &mut dyn Session) -> Result<Applied> {
        let tables = tables(session).await?;
        let bare = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
        let usual = self.names.first().copied().unwrap_or_default();
        if let Some((namespace, name)) =
            tables.iter().find(|(_, name)| self.names.iter().any(|usual| bare(usual) == name))
        {
            let what = format!("{name} is not where it is looked for, and there is one in {namespace}");
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint(format!("if it is the one: --table {namespace}.{name}")));
        }
        let Some((_, first)) = tables.first() else { return Ok(Applied::None) };
        let what = format!("there is no table {usual}, and the database is not empty (it has {first})");
        Err(Error::new(ErrorKind::Refused, what).with_hint(
            "name the tool's table: --table NAME; or, where the tool has applied nothing, --nothing-applied",
        ))
    }
}

/// The heads and all that they come from.
fn ancestors<'a>(parents: &'a BTreeMap<String, Vec<String>>, heads: &'a [String]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = heads.iter().map(String::as_str).collect();
    while let Some(one) = open.pop() {
        if !found.contains(&one) {
            found.push(one);
            open.extend(parents.get(one).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// The tables of a database that are not the engine's, an extension's or dbm's.
async fn tables(session: &mut dyn Session) -> Result<Vec<(String, String)>> {
    let query = match session.engine() {
        Engine::Postgres => {
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS \
             (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid \
             AND d.deptype = 'e') ORDER BY 1, 2"
        }
        Engine::Mysql => {
            "SELECT '', table_name FROM information_schema.tables WHERE table_schema = database() \
             AND table_type <> 'VIEW' ORDER BY 2"
        }
        _ => {
            "SELECT '', name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 2"
        }
    };
    let rows = session.query(query).await?.into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some((row.next()??, row.next()??))
    });
    Ok(rows.filter(|(_, name)| !name.starts_with("dbm_")).collect())
}

fn quoted(engine: Engine, name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    quote::qualified(engine, &parts)
}

/// `undefined_table` and `invalid_schema_name`, <https://www.postgresql.org/docs/current/errcodes-appendix.html>;
/// `ER_NO_SUCH_TABLE` and `ER_BAD_DB_ERROR` of MySQL have states of their own. SQLite has but words.
fn is_missing(error: &database::Error) -> bool {
    let words = error.to_string().to_ascii_lowercase();
    matches!(error.sqlstate(), Some("42P01" | "3F000" | "42S02"))
        || words.contains("no such table")
        || words.contains("unknown database")
}

impl Applied {
    /// Which of the project's migrations are applied.
    pub(super) fn of(&self, project: &Project, tool: Tool) -> Result<Vec<bool>> {
        let versions: Vec<&str> = project.migrations.iter().map(|found| found.version.as_str()).collect();
        let missing = |version: &str| {
            let what = format!(
                "{} has applied `{version}`, and the folder has no file of that version",
                tool.word()
            );
            Error::new(ErrorKind::Refused, what)
                .with_hint("bring the file back from version control: without it a new database would lack what it makes")
        };
        match self {
            Self::None => Ok(vec![false; versions.len()]),
            Self::Each { versions: applied, below, order } => {
                let is_below = |one: &str| below.iter().any(|base| order(one, base).is_le());
                let again = |one: &str| project.repeatables.iter().any(|found| found.version == one);
                let same = |one: &str, other: &str| order(one, other).is_eq();
                let known = |one: &String| {
                    versions.iter().any(|version| same(version, one)) || again(one) || is_below(one)
                };
                if let Some(lost) = applied.iter().find(|one| !known(one)) {
                    return Err(missing(lost));
                }
                Ok(versions
                    .iter()
                    .map(|one| is_below(one) || applied.iter().any(|other| same(other, one)))
                    .collect())
            }
            Self::UpTo(heads) if !project.parents.is_empty() => {
                if let Some(lost) = heads.iter().find(|one| !versions.contains(&one.as_str())) {
                    return Err(missing(lost));
                }
                let ancestors = ancestors(&project.parents, heads);
                Ok(versions.iter().map(|one| ancestors.contains(one)).collect())
            }
            Self::UpTo(applied) => {
                let mut count = 0;
                for version in applied {
                    let place = versions.iter().position(|one| one == version);
                    count = count.max(place.ok_or_else(|| missing(version))? + 1);
                }
                Ok((0..versions.len()).map(|place| place < count).collect())
            }
        }
    }
}
