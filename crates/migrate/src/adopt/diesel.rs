//! Diesel: a folder for each, `{version}_{name}/up.sql` and `down.sql`, <https://diesel.rs/guides/getting-started>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each version, which is the folder's without its dashes.
pub(super) const TABLE: Table = Table {
    names: &["__diesel_schema_migrations"],
    versions: "SELECT version FROM {} ORDER BY version",
    failed: None,
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let Some(up) = reading::optional(&path.join("up.sql"))? else { continue };
        let label = reading::name(&path);
        let (version, name) = label.split_once('_').unwrap_or((&label, ""));
        let down = reading::optional(&path.join("down.sql"))?.filter(|text| script::has_statement(text));
        let metadata = reading::optional(&path.join("metadata.toml"))?.unwrap_or_default();
        let alone =
            |line: &str| line.split('#').next().is_some_and(|line| is_false(line, "run_in_transaction"));
        project.migrations.push(Found {
            version: version.replace('-', ""),
            name: name.to_owned(),
            up: script::statements(engine, &up),
            down: down.map(|down| script::statements(engine, &down)),
            no_transaction: metadata.lines().any(alone),
            ..Found::default()
        });
    }
    Ok(project)
}

/// Whether a line of settings says `key = false`.
pub(super) fn is_false(line: &str, key: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(name, value)| name.trim() == key && value.trim().eq_ignore_ascii_case("false"))
}
