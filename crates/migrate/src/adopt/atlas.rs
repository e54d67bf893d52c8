//! Atlas: `{version}_{name}.sql`, with marks at the head, <https://atlasgo.io/versioned/apply>.

use std::path::Path;

use backup::Result;
use database::Engine;

use super::table::{Baseline, Table};
use super::{Found, Project, reading, script};

/// A row for each version, in a namespace of its own where the connection is not bound to one. A row whose statements are
/// not all applied has failed; the one without a version is its own.
pub(super) const TABLE: Table = Table {
    names: &["atlas_schema_revisions.atlas_schema_revisions", "atlas_schema_revisions"],
    versions: "SELECT version FROM {} WHERE version <> '.atlas_cloud_identifier' AND type % 2 = 0 ORDER BY version",
    failed: Some("SELECT version FROM {} WHERE applied < total AND version <> '.atlas_cloud_identifier'"),
    up_to: false,
    // Its types are bits, of which the first says so.
    baseline: Some(Baseline {
        versions: "SELECT version FROM {} WHERE version <> '.atlas_cloud_identifier' AND type % 2 = 1",
        order: str::cmp,
    }),
    again: None,
    meant: None,
};

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    for path in reading::sql(folder)? {
        let stem = reading::stem(&path);
        let (version, name) = stem.split_once('_').unwrap_or((&stem, ""));
        let text = reading::text(&path)?;
        let marks: Vec<&str> = text.lines().filter_map(|line| reading::mark(line, "atlas")).collect();
        if marks.iter().any(|mark| mark.starts_with(":checkpoint")) {
            project.notes.push(format!(
                "{} is a checkpoint, which stands for all before it, and is not taken over",
                path.display()
            ));
            continue;
        }
        let delimiter = marks.iter().find_map(|mark| mark.strip_prefix(":delimiter"));
        let up = match delimiter.map(str::trim) {
            Some(delimiter) if delimiter != ";" => script::redelimited(engine, &text, &unescaped(delimiter)),
            _ => script::statements(engine, &text),
        };
        let no_transaction =
            marks.iter().any(|mark| mark.strip_prefix(":txmode").is_some_and(|mode| mode.trim() == "none"));
        project.migrations.push(Found {
            version: version.to_owned(),
            name: name.to_owned(),
            up,
            down: None,
            no_transaction,
            ..Found::default()
        });
    }
    Ok(project)
}

/// `\n\n` as it is written there.
fn unescaped(delimiter: &str) -> String {
    delimiter.trim_matches('"').replace("\\n", "\n").replace("\\t", "\t")
}
