//! yoyo, as SQL: `{name}.sql` and `{name}.rollback.sql`, <https://ollycope.com/software/yoyo/latest/>.

use std::path::Path;

use backup::{Error, ErrorKind, Result};
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each, by the file's name.
pub(super) const TABLE: Table = Table {
    names: &["_yoyo_migration"],
    versions: "SELECT migration_id FROM {} ORDER BY migration_id",
    failed: None,
    up_to: false,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    if let Some(path) =
        reading::entries(folder)?.iter().find(|path| path.extension().is_some_and(|end| end == "py"))
    {
        let what = format!("{} is a migration in Python, which is not SQL", path.display());
        return Err(Error::new(ErrorKind::Refused, what)
            .with_hint("write what it does as {name}.sql and {name}.rollback.sql first"));
    }
    let mut project = Project::default();
    let mut waiting = Vec::new();
    for path in reading::sql(folder)? {
        let version = reading::stem(&path);
        if version.ends_with(".rollback") {
            continue;
        }
        if version.starts_with("post-apply") {
            project.notes.push(format!("{} runs after each time, and is not taken over", path.display()));
            continue;
        }
        let text = reading::text(&path)?;
        let head =
            || text.lines().take_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"));
        let mark = |word: &str| {
            head().find_map(|line| reading::mark(line, word).and_then(|rest| rest.strip_prefix(':')))
        };
        let depends: Vec<String> =
            mark("depends").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let down = reading::optional(&folder.join(format!("{version}.rollback.sql")))?;
        let name = reading::version_and_name(&version).map_or_else(|| version.clone(), |(_, name)| name);
        let no_transaction =
            mark("transactional").is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let found = Found {
            version,
            name: name.trim_start_matches('.').to_owned(),
            up: script::statements(engine, &text),
            down: down
                .filter(|down| script::has_statement(down))
                .map(|down| script::statements(engine, &down)),
            no_transaction,
            ..Found::default()
        };
        waiting.push((depends, found));
    }
    // In the order of the names, each after those that it depends on.
    while !waiting.is_empty() {
        let open = |name: &String| waiting.iter().any(|(_, found)| found.version == *name);
        let Some(next) = waiting.iter().position(|(depends, _)| !depends.iter().any(open)) else {
            return Err(Error::new(ErrorKind::Refused, "the migrations depend on each other in a circle")
                .with_hint("take one `-- depends:` out"));
        };
        project.migrations.push(waiting.remove(next).1);
    }
    Ok(project)
}
