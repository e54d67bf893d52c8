use backup::Result;

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
                Ok(to_migrate(files, &records.applied, options)?.with_repeatables(options, &records.repeated))
            }
            Self::Rollback(files, options) => to_rollback(files, &records.applied, options),
            Self::Seed(seeds, true) => Ok(Selection::of_repeated(seeds)),
            Self::Seed(seeds, false) => Ok(Selection::of_repeated(changed(seeds, &records.repeated))),
        }
    }
}
