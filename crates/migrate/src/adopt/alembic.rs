//! Alembic: what `alembic upgrade base:head --sql` and `alembic downgrade head:base --sql` write, in one file or several,
//! <https://alembic.sqlalchemy.org/en/latest/offline.html>.

use std::collections::BTreeMap;
use std::path::Path;

use backup::{Error, ErrorKind, Result};
use database::Engine;
use database::script::split;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each head.
pub(super) const TABLE: Table = Table {
    names: &["alembic_version"],
    versions: "SELECT version_num FROM {}",
    failed: None,
    up_to: true,
    baseline: None,
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    let mut downs = BTreeMap::new();
    let files = if folder.is_file() { vec![folder.to_owned()] } else { reading::sql(folder)? };
    for path in files {
        for section in sections(&reading::text(&path)?) {
            let text = own_statements(engine, &section.text)?;
            match section.up {
                true => {
                    project.parents.insert(section.revision.clone(), section.parents);
                    project.migrations.push(Found {
                        name: section.revision.clone(),
                        version: section.revision,
                        up: if script::has_statement(&text) { text } else { "SELECT 1;\n".to_owned() },
                        ..Found::default()
                    });
                }
                false => drop(downs.insert(section.revision, text)),
            }
        }
    }
    if project.migrations.is_empty() {
        let what = format!("{} has no SQL of Alembic", folder.display());
        return Err(Error::new(ErrorKind::Usage, what).with_hint(
            "write it first: `alembic upgrade base:head --sql > sql/up.sql`, `alembic downgrade head:base --sql > sql/down.sql`, \
             then: dbm adopt alembic sql",
        ));
    }
    for found in &mut project.migrations {
        found.down = downs.remove(&found.version).map(|down| match script::has_statement(&down) {
            true => down,
            false => "SELECT 1;\n".to_owned(),
        });
    }
    let after = |one: &str| project.parents.values().flatten().filter(|other| *other == one).count();
    let roots = project.parents.values().filter(|parents| parents.is_empty()).count();
    if roots > 1 || project.parents.keys().any(|version| after(version) > 1) {
        project.notes.push(
            "the revisions have branches: applied are the heads in alembic_version and what they come from; `depends_on` is not \
             in the SQL, so look at the list of what is applied"
                .to_owned(),
        );
    }
    Ok(project)
}

/// What one revision does, or takes back.
struct Section {
    revision: String,
    /// Those that it comes after; several where it merges branches.
    parents: Vec<String>,
    up: bool,
    text: String,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let begun = line.trim().strip_prefix("-- Running ").and_then(|rest| {
            let (up, rest) = match rest.strip_prefix("upgrade") {
                Some(rest) => (true, rest),
                None => (false, rest.strip_prefix("downgrade")?),
            };
            let (from, to) = rest.split_once("->")?;
            let revision = if up { to } else { from }.trim().to_owned();
            let parents = from.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
            Some(Section { revision, parents: parents.collect(), up, text: String::new() })
        });
        match begun {
            Some(section) => sections.push(section),
            None => {
                if let Some(section) = sections.last_mut() {
                    section.text.push_str(line);
                    section.text.push('\n');
                }
            }
        }
    }
    sections
}

/// Without what Alembic writes for itself: its table, and the transactions.
fn own_statements(engine: Engine, text: &str) -> Result<String> {
    let mut kept = String::new();
    // What has a body gets its delimiter first: the client would cut it at its semicolons.
    for statement in split(engine, &script::statements(engine, text))? {
        let sql = statement.text.trim_end_matches(';').trim();
        let upper = sql.to_ascii_uppercase();
        let words: Vec<&str> = upper.split_whitespace().take(3).collect();
        let own = match words.as_slice() {
            ["BEGIN" | "COMMIT"] | ["START", "TRANSACTION"] => true,
            ["UPDATE", table, ..] | ["INSERT" | "DELETE", _, table] | ["DROP" | "CREATE", "TABLE", table] => {
                table
                    .trim_matches(['"', '`'])
                    .split('.')
                    .next_back()
                    .is_some_and(|table| table.trim_matches(['"', '`']) == "ALEMBIC_VERSION")
            }
            _ => false,
        };
        if !own {
            kept.push_str(&script::one_statement(engine, sql));
            kept.push('\n');
        }
    }
    Ok(kept)
}
