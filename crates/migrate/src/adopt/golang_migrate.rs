//! golang-migrate: `{version}_{title}.up.sql` and `.down.sql`,
//! <https://github.com/golang-migrate/migrate/blob/master/MIGRATIONS.md>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// One row: the last version, and whether it has failed half-way.
pub(super) const TABLE: Table = Table {
    names: &["schema_migrations"],
    versions: "SELECT version FROM {}",
    failed: Some("SELECT version FROM {} WHERE dirty"),
    up_to: true,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::sql(folder)? {
        let stem = reading::stem(&path);
        let Some(stem) = stem.strip_suffix(".up") else { continue };
        let Some((version, name)) = reading::version_and_name(stem) else { continue };
        let text = reading::text(&path)?;
        let down = reading::down(folder, &version)?.filter(|text| script::has_statement(text));
        project.migrations.push(Found {
            version: reading::bare(&version),
            name,
            up: script::statements(engine, &text),
            down: down.map(|down| script::statements(engine, &down)),
            no_transaction: false,
            ..Found::default()
        });
    }
    project.migrations.sort_by_key(|found| reading::numeric(&found.version));
    Ok(project)
}
