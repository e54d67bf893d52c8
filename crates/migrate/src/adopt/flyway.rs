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
    again: Some(
        "SELECT CONCAT(checksum, ' ', description) FROM {} t WHERE success AND version IS NULL AND type = 'SQL' AND NOT EXISTS \
         (SELECT 1 FROM {} u WHERE u.version IS NULL AND u.description = t.description AND u.installed_rank > t.installed_rank)",
    ),
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project { placeholders: true, ..Project::default() };
    let mut undo = BTreeMap::new();
    for path in reading::sql_below(folder)? {
        let stem = reading::stem(&path);
        let Some((version, name)) = stem.get(1..).and_then(|rest| rest.split_once("__")) else { continue };
        let (version, name) = (version.replace('_', "."), name.to_owned());
        let whole = reading::text(&path)?;
        let text = script::statements(engine, &whole);
        let ran = format!("{} {}", checksum(&whole), name.replace('_', " "));
        let settings =
            reading::optional(&path.with_file_name(reading::name(&path) + ".conf"))?.unwrap_or_default();
        let alone = settings.lines().any(|line| super::diesel::is_false(line, "executeInTransaction"))
            || text.lines().any(|line| {
                reading::mark(line, "flyway").is_some_and(|mark| mark.contains("executeInTransaction=false"))
            });
        let found = Found { version, name, up: text, no_transaction: alone, ..Found::default() };
        match stem.as_bytes().first() {
            Some(b'V') if !found.version.is_empty() => project.migrations.push(found),
            Some(b'U') if !found.version.is_empty() => drop(undo.insert(found.version, found.up)),
            Some(b'R') if found.version.is_empty() => {
                project.repeatables.push(Found { ran: Some(ran), ..found });
            }
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

/// What its history keeps of a text: the CRC-32 of its lines without their ends, as a signed number,
/// <https://documentation.red-gate.com/flyway/flyway-concepts/migrations/checksum-calculation>. What Flyway has filled in
/// is in it; such a text is not known by it here.
fn checksum(text: &str) -> i32 {
    let mut crc = crc32fast::Hasher::new();
    for line in text.split(['\n', '\r']) {
        crc.update(line.as_bytes());
    }
    crc.finalize().cast_signed()
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
