use std::sync::Arc;

use backup::{Error, ErrorKind, Result};

use super::Scratch;
use crate::files::{Migration, RepeatedFile, squashed};
use crate::history::Applied;
use crate::placeholders::Variables;
use crate::plan::{MigrateOptions, drifted};
use crate::run::{Outcome, Report, Runner, Settings};

/// What was applied somewhere, run once more in a scratch database.
pub(crate) struct Replay<'r> {
    scratch: &'r Scratch,
    runner: Runner,
    /// The folder, in which there may be more.
    migrations: &'r [Migration],
    /// The rows of those that were run, and their files.
    rows: Vec<Applied>,
    files: Vec<Migration>,
}

impl<'r> Replay<'r> {
    /// Runs nothing yet; `settings` and `variables` are the target's.
    pub(crate) fn new(
        scratch: &'r Scratch,
        migrations: &'r [Migration],
        settings: &Settings,
        variables: &Arc<dyn Variables>,
    ) -> Self {
        let runner = scratch.runner(settings, Arc::clone(variables));
        Self { scratch, runner, migrations, rows: Vec::new(), files: Vec::new() }
    }

    /// Runs what more of the history was applied, in its order, and then what has no number.
    ///
    /// # Errors
    /// The history and the folder do not fit, or a migration cannot be run after those of before.
    pub(crate) async fn run(&mut self, history: &[Applied], repeatables: Vec<RepeatedFile>) -> Result<()> {
        self.rows.extend_from_slice(history);
        if let Some(finding) = drifted(self.migrations, &self.rows).into_iter().next() {
            return Err(finding.into());
        }
        let rounds = rounds(self.migrations, history);
        let last = rounds.len();
        let mut repeatables = Some(repeatables);
        for (round, place) in rounds.into_iter().zip(1..) {
            self.files.extend(round);
            let repeatables = repeatables.take_if(|_| place == last).unwrap_or_default();
            let options = MigrateOptions { out_of_order: true, repeatables, ..MigrateOptions::default() };
            let report = Box::pin(self.runner.migrate(&self.files, &options)).await?;
            self.judge(report)?;
        }
        Ok(())
    }

    /// Makes one more file without a number. One that cannot be made leaves nothing, and is no error.
    ///
    /// # Errors
    /// The scratch database cannot be used.
    pub(crate) async fn make(&self, file: RepeatedFile) -> Result<()> {
        let options = MigrateOptions { repeatables: vec![file], ..MigrateOptions::default() };
        Box::pin(self.runner.migrate(&self.files, &options)).await.map(drop)
    }

    fn judge(&self, report: Report) -> Result<()> {
        if let Some(error) = self.scratch.too_few_rights(&report) {
            return Err(error);
        }
        if report.outcome == Outcome::Done {
            return Ok(());
        }
        let failure = report.failure.map_or(report.state, |failure| {
            failure.migration.map_or(String::new(), |migration| migration + ": ") + &failure.message
        });
        let message = format!("the migrations do not run in a new database: {failure}");
        Err(Error::new(ErrorKind::Refused, message)
            .with_hint("`dbm check --rollbacks` tries them one by one"))
    }
}

/// The files of a history, cut where a lower number was applied after a higher one: each run goes by the number.
fn rounds(migrations: &[Migration], history: &[Applied]) -> Vec<Vec<Migration>> {
    // All else stands on it, whenever the last of those was applied that it stands for.
    let base = squashed(migrations).map(|file| file.number);
    let place = |file: &Migration| history.iter().position(|row| row.number == file.number);
    let mut files: Vec<_> = migrations.iter().filter_map(|file| Some((place(file)?, file))).collect();
    files.sort_by_key(|(place, file)| (Some(file.number) != base, *place));
    let (mut rounds, mut round) = (Vec::new(), Vec::<Migration>::new());
    for (_, file) in files {
        if round.last().is_some_and(|before| before.number > file.number) {
            rounds.push(std::mem::take(&mut round));
        }
        round.push(file.clone());
    }
    rounds.push(round);
    rounds
}
