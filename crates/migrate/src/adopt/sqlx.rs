//! sqlx: `{version}_{description}.sql`, or `.up.sql` and `.down.sql`,
//! <https://docs.rs/sqlx/latest/sqlx/migrate/trait.MigrationSource.html>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each version.
pub(super) const TABLE: Table = Table {
    names: &["_sqlx_migrations"],
    versions: "SELECT version FROM {} WHERE success ORDER BY version",
    failed: Some("SELECT version FROM {} WHERE NOT success"),
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::sql(folder)? {
        let stem = reading::stem(&path);
        if stem.ends_with(".down") {
            continue;
        }
        let bare = stem.strip_suffix(".up").unwrap_or(&stem);
        let Some((version, name)) = reading::version_and_name(bare) else { continue };
        let text = reading::text(&path)?;
        let down = reading::down(folder, &version)?;
        project.migrations.push(Found {
            version: reading::bare(&version),
            name,
            no_transaction: text.starts_with("-- no-transaction"),
            up: script::statements(engine, &text),
            down: down
                .filter(|down| script::has_statement(down))
                .map(|down| script::statements(engine, &down)),
            ..Found::default()
        });
    }
    project.migrations.sort_by_key(|found| reading::numeric(&found.version));
    Ok(project)
}
