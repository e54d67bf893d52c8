use backup::{Error, ErrorKind, Result};
use database::{Engine, Session, quote};

use super::{Applied, Tool};

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
}

impl Table {
    pub(super) async fn read(&self, session: &mut dyn Session, named: Option<&str>) -> Result<Applied> {
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
            let versions = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            return Ok(if self.up_to { Applied::UpTo(versions) } else { Applied::Each(versions) });
        }
        match named {
            None => Ok(Applied::None),
            Some(name) => {
                Err(Error::new(ErrorKind::Usage, format!("there is no table {name} in the database"))
                    .with_hint("without --table the tool's usual one is looked for"))
            }
        }
    }
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
    /// Which of the project's versions are applied.
    pub(super) fn of(&self, versions: &[&str], tool: Tool) -> Result<Vec<bool>> {
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
            Self::Each(applied) => {
                if let Some(lost) = applied.iter().find(|one| !versions.contains(&one.as_str())) {
                    return Err(missing(lost));
                }
                Ok(versions.iter().map(|one| applied.iter().any(|other| other == one)).collect())
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
