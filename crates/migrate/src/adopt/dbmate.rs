//! dbmate: marks in one file, <https://github.com/amacneil/dbmate#creating-migrations>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each version.
pub(super) const TABLE: Table = Table {
    names: &["schema_migrations"],
    versions: "SELECT version FROM {} ORDER BY version",
    failed: None,
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::sql(folder)? {
        let Some((version, name)) = reading::version_and_name(&reading::stem(&path)) else { continue };
        let mut found = Found { version, name, ..Found::default() };
        let (mut up, mut down): (Option<String>, Option<String>) = (None, None);
        for line in reading::text(&path)?.lines() {
            if let Some(options) = reading::mark(line, "migrate:up") {
                found.no_transaction |= options.contains("transaction:false");
                up = Some(String::new());
            } else if let Some(options) = reading::mark(line, "migrate:down") {
                found.no_transaction |= options.contains("transaction:false");
                down = Some(String::new());
            } else if let Some(to) = down.as_mut().or(up.as_mut()) {
                to.push_str(line);
                to.push('\n');
            }
        }
        let Some(text) = up else { continue };
        found.up = script::statements(engine, &text);
        found.down =
            down.filter(|text| script::has_statement(text)).map(|text| script::statements(engine, &text));
        project.migrations.push(found);
    }
    Ok(project)
}
