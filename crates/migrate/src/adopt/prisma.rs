//! Prisma Migrate: a folder for each, `{time}_{name}/migration.sql`; `down.sql` is what its guide calls it,
//! <https://www.prisma.io/docs/orm/prisma-migrate/workflows/generating-down-migrations>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each attempt, by the folder's name.
pub(super) const TABLE: Table = Table {
    names: &["_prisma_migrations"],
    versions: "SELECT migration_name FROM {} WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY started_at",
    failed: Some("SELECT migration_name FROM {} WHERE finished_at IS NULL AND rolled_back_at IS NULL"),
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let Some(up) = reading::optional(&path.join("migration.sql"))? else { continue };
        let version = reading::name(&path);
        let name = reading::version_and_name(&version).map_or_else(|| version.clone(), |(_, name)| name);
        let down = reading::optional(&path.join("down.sql"))?.filter(|text| script::has_statement(text));
        project.migrations.push(Found {
            version,
            name,
            up: script::statements(engine, &up),
            down: down.map(|down| script::statements(engine, &down)),
            no_transaction: false,
            ..Found::default()
        });
    }
    Ok(project)
}
