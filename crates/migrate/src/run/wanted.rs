use backup::{Error, ErrorKind, Result};

use crate::files::{Migration, RepeatedFile};
use crate::history::Records;
use crate::journal::RunKind;
use crate::plan::{MigrateOptions, RollbackOptions, Selection, changed, to_migrate, to_rollback};

/// What a run is to do.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'w> {
    /// Applies what is pending.
    Migrate(&'w [Migration], &'w MigrateOptions),
    /// Takes back what is applied.
    Rollback(&'w [Migration], &'w RollbackOptions),
    /// Runs the seeds that are new or changed, or all of them again.
    Seed(&'w [RepeatedFile], bool),
}

impl Wanted<'_> {
    pub(super) fn kind(self) -> RunKind {
        match self {
            Self::Migrate(..) => RunKind::Migrate,
            Self::Rollback(..) => RunKind::Rollback,
            Self::Seed(..) => RunKind::Seed,
        }
    }

    pub(super) fn select(self, records: &Records) -> Result<Selection> {
        match self {
            Self::Migrate(files, options) => {
                let older = |file: &&RepeatedFile| options.forward_only && records.is_superseded(file);
                if let Some(file) = options.repeatables.iter().find(older) {
                    return Err(superseded(file));
                }
                Ok(to_migrate(files, &records.applied, options)?.with_repeatables(options, &records.repeated))
            }
            Self::Rollback(files, options) => to_rollback(files, &records.applied, options),
            Self::Seed(seeds, true) => Ok(Selection::of_repeated(seeds)),
            Self::Seed(seeds, false) => Ok(Selection::of_repeated(changed(seeds, &records.repeated))),
        }
    }
}

fn superseded(file: &RepeatedFile) -> Error {
    let message = format!("another text of {} has been run since this one", file.label());
    Error::new(ErrorKind::Refused, message).with_hint(
        "an older release may start beside a newer one with `Migrator::allow_newer`; to go back to this text, write a comment \
         into it, so that it is a new one, or let `dbm migrate` run it",
    )
}
