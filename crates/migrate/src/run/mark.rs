use backup::{Error, ErrorKind, Result};
use chrono::{SecondsFormat, Utc};
use database::Session;
use serde::Serialize;

use super::{Runner, open};
use crate::engine;
use crate::files::ALGORITHM;
use crate::history::{self, Applied, Change, Fingerprint, Records, Repeated, State};
use crate::journal::Told;

/// What `baseline`, `stamp` or `repair` have changed in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Marked {
    /// The name that the new rows have in place of a run's; none where nothing was changed.
    pub run: Option<String>,
    /// The changes, in their order.
    pub changes: Vec<Change>,
}

impl Runner {
    /// What [`Runner::mark`] would change. Changes nothing and takes no lock.
    ///
    /// # Errors
    /// The database cannot be read, or what `decide` says.
    pub async fn plan_mark(&self, decide: impl Fn(&Records) -> Result<Vec<Change>>) -> Result<Vec<Change>> {
        let mut session = self.database.session().await?;
        decide(&Records::read(&mut *session).await?)
    }

    /// Whether [`Runner::mark`] can be: what `check` says of the history, that no run is open, and that the database can be
    /// written to. Changes nothing.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn may_mark(&self, check: impl Fn(&Records) -> Result<()>) -> Result<()> {
        self.mark(|records| check(records).map(|()| Vec::new())).await?;
        let mut session = self.database.session().await?;
        // Where a transaction takes a new table back, it is tried whether one can be made.
        if engine::no_transactions(session.engine()).is_some() || history::is_there(&mut *session).await? {
            return Ok(());
        }
        session.begin(Some(self.settings.lock_timeout)).await?;
        let made = history::create(&mut *session).await;
        let back = session.rollback().await;
        made?;
        Ok(back?)
    }

    /// Changes the history alone, under the lock and in one transaction; no statement of a migration is run.
    ///
    /// # Errors
    /// What `decide` says, a run that is open, or a database that cannot be written to; nothing is changed then.
    pub async fn mark(&self, decide: impl Fn(&Records) -> Result<Vec<Change>>) -> Result<Marked> {
        let mut session = self.locked_session().await?;
        let marked = self.mark_with(&mut *session, decide).await;
        // The connection may be what failed; then the server has rolled back, and has let the lock go.
        let _gone = session.rollback().await;
        if let Ok((_, Some((server, schema)))) = &marked {
            self.keep_schema(&mut *session, server, schema).await;
        }
        let _gone = session.unlock().await;
        marked.map(|(marked, _)| marked)
    }

    /// What was changed, and the schema to be kept after it, with the server that has it in these words.
    async fn mark_with(
        &self,
        session: &mut dyn Session,
        decide: impl Fn(&Records) -> Result<Vec<Change>>,
    ) -> Result<(Marked, Option<(String, Fingerprint)>)> {
        // What an open run has done is not in the history yet, and its way back would undo the changes.
        let entries = session.entries().await?;
        if Told::is_open(&entries) {
            return Err(Error::new(ErrorKind::Refused, "a run is still open in the database")
                .with_hint("finish it or put the database back first: `dbm recover`"));
        }
        let records = Records::read(session).await?;
        let changes = decide(&records)?;
        if changes.is_empty() {
            return Ok((Marked { run: None, changes }, None));
        }
        let server = self.database.about().await?.server_version;
        let schema = self.after_mark(session, &records, &server, &changes).await?;
        self.make_history(session).await?;
        let run = open::name()?;
        session.begin(Some(self.settings.lock_timeout)).await?;
        for change in &changes {
            match change {
                Change::Record(file) => {
                    let row = Applied {
                        number: file.number,
                        position: 0,
                        name: file.name.clone(),
                        module: file.module.clone(),
                        checksum: file.checksum.clone(),
                        algorithm: ALGORITHM.to_owned(),
                        rollback: file.rollback.clone(),
                        state: State::Satisfied,
                        applied_at: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
                        applied_by: self.settings.by.clone(),
                        duration_ms: 0,
                        run: run.clone(),
                        dbm: self.settings.dbm.clone(),
                    };
                    history::insert(session, &[row]).await?;
                }
                Change::RecordRepeated(file) => {
                    let row = Repeated {
                        kind: file.kind,
                        name: file.name.clone(),
                        module: file.module.clone(),
                        checksum: file.checksum.clone(),
                        algorithm: ALGORITHM.to_owned(),
                        text: file.source.text.clone(),
                        applied_at: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
                        applied_by: self.settings.by.clone(),
                        duration_ms: 0,
                        run: run.clone(),
                        dbm: self.settings.dbm.clone(),
                    };
                    history::put_repeated(session, &row).await?;
                }
                Change::Forget { number, .. } => history::delete(session, &[*number]).await?,
                Change::ForgetRepeated { kind, name } => {
                    history::forget_repeated(session, *kind, name).await?;
                }
                Change::Accept { from, file } => history::accept(session, *from, file).await?,
            }
        }
        session.commit().await?;
        Ok((Marked { run: Some(run), changes }, schema.map(|schema| (server, schema))))
    }
}
