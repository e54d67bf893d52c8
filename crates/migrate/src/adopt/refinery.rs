//! refinery: `V{version}__{name}.sql`, and `U{version}__{name}.sql` for one whose version may come late,
//! <https://docs.rs/refinery/latest/refinery/>.

use std::path::Path;

use backup::{Error, ErrorKind, Result};
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
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::below(folder)? {
        let file = reading::name(&path);
        let Some((version, rest)) = file.strip_prefix(['V', 'U']).and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if rest.strip_suffix(".rs").is_some_and(|name| is_name(&name)) {
            let what = format!("{} is a migration in Rust, which is not SQL", path.display());
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("write what it does as a `.sql` file of that name first"));
        }
        let Some(name) = rest.strip_suffix(".sql").filter(is_name) else {
            project.notes.push(format!(
                "refinery passes over {}: there are letters, digits and `_` in its names, and no others",
                path.display()
            ));
            continue;
        };
        let text = reading::text(&path)?;
        project.migrations.push(Found {
            version: reading::bare(version),
            name: name.to_owned(),
            no_transaction: text.lines().next().is_some_and(|line| line.contains("+refinery NO TRANSACTION")),
            up: script::statements(engine, &text),
            ..Found::default()
        });
    }
    project.migrations.sort_by_key(|found| reading::numeric(&found.version));
    Ok(project)
}
