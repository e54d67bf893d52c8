use super::select::Chosen;
use super::{Direction, MigrateOptions, Selection};
use crate::files::{ALGORITHM, RepeatedFile};
use crate::history::Repeated;

/// The files whose text is not the one that was last run.
pub(crate) fn changed<'f>(
    files: &'f [RepeatedFile],
    rows: &[Repeated],
) -> impl Iterator<Item = &'f RepeatedFile> {
    files.iter().filter(|file| {
        let row = rows.iter().find(|row| row.kind == file.kind && row.name == file.name);
        row.is_none_or(|row| row.algorithm != ALGORITHM || row.checksum != file.checksum())
    })
}

impl Selection {
    /// Nothing but files without a number.
    pub(crate) fn of_repeated<'f>(files: impl IntoIterator<Item = &'f RepeatedFile>) -> Self {
        let chosen = files.into_iter().map(choose).collect();
        Self { direction: Direction::Migrate, chosen, warnings: Vec::new() }
    }

    /// Adds what has to run again after the numbered ones: all of it after any of them, which may drop what a view needs and
    /// the view with it; otherwise what has changed. Where not all of those are to be applied, nothing: a view may need what
    /// is still missing.
    pub(crate) fn with_repeatables(mut self, options: &MigrateOptions, rows: &[Repeated]) -> Self {
        if options.to.is_none() && options.count.is_none() {
            let wanted = |file: &&RepeatedFile| {
                options.module.is_none()
                    || options.module.as_deref() == file.directives.module.as_deref().or(Some(""))
            };
            let due: Vec<&RepeatedFile> = match self.chosen.is_empty() {
                true => changed(&options.repeatables, rows).collect(),
                false => options.repeatables.iter().collect(),
            };
            self.chosen.extend(due.into_iter().filter(wanted).map(choose));
        }
        self
    }
}

fn choose(file: &RepeatedFile) -> Chosen {
    Chosen {
        repeat: Some(file.kind),
        number: 0,
        name: file.name.clone(),
        directives: file.directives.clone(),
        source: Some(file.source.clone()),
        module: file.directives.module.clone(),
        checksum: file.checksum(),
        rollback: None,
    }
}
