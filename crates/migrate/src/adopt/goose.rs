//! goose: marks in one file, <https://pressly.github.io/goose/documentation/annotations/>.

use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each time that a version went up or down; 0 is the table's own.
pub(super) const TABLE: Table = Table {
    names: &["goose_db_version"],
    versions: "SELECT version_id FROM {} t WHERE version_id > 0 AND is_applied \
               AND id = (SELECT max(id) FROM {} o WHERE o.version_id = t.version_id) ORDER BY id",
    failed: None,
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    let is_go = |path: &&PathBuf| {
        let name = reading::name(path);
        reading::version_and_name(&name).is_some() && name.ends_with(".go") && !name.ends_with("_test.go")
    };
    if let Some(path) = reading::entries(folder)?.iter().find(is_go) {
        let what = format!("{} is a migration in Go, which is not SQL", path.display());
        return Err(
            Error::new(ErrorKind::Refused, what).with_hint("write what it does as a `.sql` file first")
        );
    }
    for path in reading::sql(folder)? {
        let stem = reading::stem(&path);
        let Some((version, name)) = reading::version_and_name(&stem) else { continue };
        let version = reading::bare(&version);
        let mut found = Found { version, name, ..Found::default() };
        let (mut up, mut down): (Option<String>, Option<String>) = (None, None);
        let (mut is_down, mut block) = (false, None::<String>);
        for line in reading::text(&path)?.lines() {
            let Some(mark) = reading::mark(line, "+goose") else {
                let to = block.as_mut().or(if is_down { down.as_mut() } else { up.as_mut() });
                // What stands before the first mark is no statement of either.
                if let Some(to) = to {
                    to.push_str(line);
                    to.push('\n');
                }
                continue;
            };
            let side = if is_down { &mut down } else { &mut up };
            match mark.to_ascii_uppercase().split_whitespace().collect::<Vec<_>>().as_slice() {
                ["UP"] => (is_down, up) = (false, Some(String::new())),
                ["DOWN"] => (is_down, down) = (true, Some(String::new())),
                ["STATEMENTBEGIN"] => block = Some(String::new()),
                ["STATEMENTEND"] => {
                    let text = block.take().unwrap_or_default();
                    side.get_or_insert_default().push_str(&script::one_statement(engine, &text));
                }
                ["NO", "TRANSACTION"] => found.no_transaction = true,
                ["ENVSUB", switch] => {
                    if *switch == "ON" {
                        project.notes.push(format!(
                            "{}: `ENVSUB ON` puts variables in; write ${{env:NAME}} in their places",
                            path.display()
                        ));
                    }
                }
                _ => {
                    let what = format!(
                        "{}: `{}` is no mark of goose that is known here",
                        path.display(),
                        line.trim()
                    );
                    return Err(
                        Error::new(ErrorKind::Refused, what).with_hint("take the line out, or mend it")
                    );
                }
            }
        }
        let Some(text) = up else { continue };
        found.up = text;
        found.down = down.filter(|text| script::has_statement(text));
        project.migrations.push(found);
    }
    project.migrations.sort_by_key(|found| reading::numeric(&found.version));
    Ok(project)
}
