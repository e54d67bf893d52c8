use database::Engine;
use database::sqlite::File;

use super::names;
use crate::archive::Archive;
use crate::restore::{Finding, Preflight, RestoreOptions, TargetState, Way};
use crate::sqlite::scratch::free;
use crate::{Error, ErrorKind, Result};

/// Looks at archive and target, and changes nothing.
pub(crate) async fn preflight(archive: &Archive, file: &File, options: &RestoreOptions) -> Result<Preflight> {
    let about = file.about().await?;
    let filled = !file.schema().await?.objects.is_empty();
    let archive_source = archive.index().source.clone();
    let by_path = file.source_by_path()?;
    // An archive from before the database had an id of its own is known by the path.
    let same = archive_source == about.source || archive_source == by_path;
    let folder = names::folder(file)?;
    let mut preflight = Preflight {
        archive_source: archive_source.clone(),
        target_source: about.source.clone(),
        target: if filled { TargetState::Filled } else { TargetState::Empty },
        way: Way::Beside,
        missing_roles: Vec::new(),
        missing_extensions: Vec::new(),
        others: Vec::new(),
        attached: Vec::new(),
        prepared: Vec::new(),
        // The new file, the copy of what is replaced, and what the exchange writes to be one transaction: the old
        // pages in a rollback journal, or the new ones in a WAL.
        bytes_needed: archive.index().bytes() + about.bytes + about.bytes.max(archive.index().bytes()),
        bytes_free: free(&folder),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let mut problem = |message: String, hint: String| {
        preflight.problems.push(Finding { message, hint: Some(hint) });
    };
    if let Err(error) = check_engine(archive) {
        problem(error.to_string(), error.hint().unwrap_or_default().to_owned());
    }
    if !about.may_write {
        problem(
            format!("{} cannot be written to", file.path().display()),
            "check who may write to it, and the `mode` in its URL".to_owned(),
        );
    }
    if about.may_write && !about.may_create_databases {
        problem(
            format!("{} cannot be written to, and a restored file is made there first", folder.display()),
            "let the folder be writable".to_owned(),
        );
    }
    if filled && !same && options.from_source.as_ref() != Some(&archive_source) {
        problem(
            format!(
                "the archive is of {archive_source}, and {} ({}) holds something else",
                about.database, about.source
            ),
            format!("restore with `--from-source {archive_source}`, or into a new file with `--into NAME`"),
        );
    }
    if let Some(free) = preflight.bytes_free
        && free < preflight.bytes_needed
    {
        let message = format!(
            "the restore needs {} bytes in {}, and {free} are free",
            preflight.bytes_needed,
            folder.display()
        );
        preflight.problems.push(Finding { message, hint: Some("make room on that disk".to_owned()) });
    }
    Ok(preflight)
}

/// Only an archive of SQLite goes into a SQLite file.
pub(super) fn check_engine(archive: &Archive) -> Result<()> {
    match archive.head().engine {
        Engine::Sqlite => Ok(()),
        other => Err(Error::new(
            ErrorKind::OtherEngine,
            format!("{} is of {other}, not of sqlite", archive.name()),
        )
        .with_hint(format!("give the URL of a {other} database"))),
    }
}
