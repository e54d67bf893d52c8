//! Flyway: `V{version}__{name}.sql`, `U…` undoes one, `R__{name}.sql` runs again,
//! <https://documentation.red-gate.com/flyway/flyway-concepts/migrations>.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::{Baseline, Table};
use super::{Found, Project, reading, script};

/// A row for each; a later one of an undo takes it back, and one of a baseline stands for what is below it.
pub(super) const TABLE: Table = Table {
    names: &["flyway_schema_history"],
    versions: "SELECT version FROM {} t WHERE success AND version IS NOT NULL AND type NOT IN ('SCHEMA', 'BASELINE', 'SQL_BASELINE', 'DELETE') \
               AND type NOT LIKE 'UNDO%' AND NOT EXISTS (SELECT 1 FROM {} u WHERE u.version = t.version \
               AND (u.type LIKE 'UNDO%' OR u.type = 'DELETE') AND u.installed_rank > t.installed_rank) ORDER BY installed_rank",
    failed: Some("SELECT coalesce(version, description) FROM {} WHERE NOT success"),
    up_to: false,
    baseline: Some(Baseline {
        versions: "SELECT version FROM {} WHERE success AND type IN ('BASELINE', 'SQL_BASELINE')",
        order: compare,
    }),
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project { placeholders: true, ..Project::default() };
    let mut undo = BTreeMap::new();
    for path in reading::sql_below(folder)? {
        let stem = reading::stem(&path);
        let Some((version, name)) = stem.get(1..).and_then(|rest| rest.split_once("__")) else { continue };
        let (version, name) = (version.replace('_', "."), name.to_owned());
        let text = script::statements(engine, &reading::text(&path)?);
        let settings =
            reading::optional(&path.with_file_name(reading::name(&path) + ".conf"))?.unwrap_or_default();
        let alone = settings.lines().any(|line| super::diesel::is_false(line, "executeInTransaction"))
            || text.lines().any(|line| {
                reading::mark(line, "flyway").is_some_and(|mark| mark.contains("executeInTransaction=false"))
            });
        let found =
            Found { version: version.clone(), name, up: text.clone(), down: None, no_transaction: alone };
        match stem.as_bytes().first() {
            Some(b'V') if !version.is_empty() => project.migrations.push(found),
            Some(b'U') if !version.is_empty() => drop(undo.insert(version, text)),
            Some(b'R') if version.is_empty() => project.repeatables.push(found),
            Some(b'B') => project.notes.push(format!(
                "{} stands for all up to its version in a new database, and is not taken over",
                path.display()
            )),
            _ => {}
        }
    }
    for found in &mut project.migrations {
        found.down = undo.remove(&found.version);
    }
    project.migrations.sort_by(|one, other| compare(&one.version, &other.version));
    Ok(project)
}

/// Part by part as numbers: 1.10 comes after 1.9.
fn compare(one: &str, other: &str) -> Ordering {
    let parts =
        |version: &str| -> Vec<u128> { version.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    let (mut one, mut other) = (parts(one), parts(other));
    let length = one.len().max(other.len());
    one.resize(length, 0);
    other.resize(length, 0);
    one.cmp(&other)
}
