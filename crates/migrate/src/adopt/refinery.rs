//! refinery: `V{version}__{name}.sql`, and `U{version}__{name}.sql` for one whose version may come late,
//! <https://docs.rs/refinery/latest/refinery/>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each version.
pub(super) const TABLE: Table = Table {
    names: &["refinery_schema_history"],
    versions: "SELECT version FROM {} ORDER BY version",
    failed: None,
    up_to: false,
    baseline: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::sql_below(folder)? {
        let stem = reading::stem(&path);
        let Some((version, name)) = stem.strip_prefix(['V', 'U']).and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let text = reading::text(&path)?;
        project.migrations.push(Found {
            version: version.trim_start_matches('0').to_owned(),
            name: name.to_owned(),
            no_transaction: text.lines().next().is_some_and(|line| line.contains("+refinery NO TRANSACTION")),
            up: script::statements(engine, &text),
            down: None,
        });
    }
    project.migrations.sort_by_key(|found| reading::numeric(&found.version));
    Ok(project)
}
