use std::time::Duration;

use backup::Result;
use chrono::{SecondsFormat, Utc};
use database::Session;

use super::Settings;
use super::apply::millis;
use super::report::Became;
use crate::files::ALGORITHM;
use crate::history::{self, Applied, Repeated, State};
use crate::plan::Item;

/// How many bytes of rows are written at once, unless one has more: no `max_allowed_packet` in use is near it.
const BYTES: usize = 256 * 1024;

/// What a row has beside its rollback's text, about.
const ROW: usize = 512;

/// Writes what became of a group's files into the history, many rows in one statement.
pub(super) struct Record<'r> {
    settings: &'r Settings,
    run: String,
    applied: Vec<Applied>,
    /// About how long those are.
    bytes: usize,
    gone: Vec<u64>,
    /// Something numbered has run: all that is made again is due.
    outdated: bool,
}

impl<'r> Record<'r> {
    pub(super) fn new(settings: &'r Settings, run: String) -> Self {
        Self { settings, run, applied: Vec::new(), bytes: 0, gone: Vec::new(), outdated: false }
    }

    /// Takes one file, which may be written later.
    pub(super) async fn add(
        &mut self,
        session: &mut dyn Session,
        item: &Item,
        became: Became,
        took: Duration,
    ) -> Result<()> {
        let applied_at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        if let Some(kind) = item.repeat {
            self.write(session).await?;
            let row = Repeated {
                kind,
                name: item.name.clone(),
                module: item.module.clone(),
                checksum: item.checksum.clone(),
                algorithm: ALGORITHM.to_owned(),
                text: item.source.clone(),
                applied_at,
                applied_by: self.settings.by.clone(),
                duration_ms: millis(took),
                run: self.run.clone(),
                dbm: self.settings.dbm.clone(),
            };
            return history::put_repeated(session, &row).await;
        }
        self.outdated |= matches!(became, Became::Applied | Became::RolledBack);
        let state = match became {
            Became::Applied => State::Applied,
            Became::Satisfied => State::Satisfied,
            Became::RolledBack | Became::Forgotten => {
                self.gone.push(item.number);
                return Ok(());
            }
        };
        let bytes = ROW + item.rollback.as_ref().map_or(0, String::len);
        if self.bytes + bytes > BYTES {
            self.write(session).await?;
        }
        self.bytes += bytes;
        self.applied.push(Applied {
            number: item.number,
            position: 0,
            name: item.name.clone(),
            module: item.module.clone(),
            checksum: item.checksum.clone(),
            algorithm: ALGORITHM.to_owned(),
            rollback: item.rollback.clone(),
            state,
            applied_at,
            applied_by: self.settings.by.clone(),
            duration_ms: millis(took),
            run: self.run.clone(),
            dbm: self.settings.dbm.clone(),
        });
        Ok(())
    }

    /// Writes what was taken.
    pub(super) async fn write(&mut self, session: &mut dyn Session) -> Result<()> {
        if std::mem::take(&mut self.outdated) {
            history::outdate_repeatables(session).await?;
        }
        self.bytes = 0;
        history::insert(session, &std::mem::take(&mut self.applied)).await?;
        history::delete(session, &std::mem::take(&mut self.gone)).await
    }
}
