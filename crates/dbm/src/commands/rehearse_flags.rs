use clap::Args;
use database::Database;
use migrate::rehearse::Rehearse;

use super::named;
use super::scratch_flags::ScratchFlags;
use crate::configuration;
use crate::context::Context;
use crate::error::{CommandError, Result};

/// Flags of a rehearsal.
#[derive(Debug, Default, Args)]
pub(crate) struct RehearseFlags {
    /// First on a copy: migrations, checks and rollbacks; with --dry-run nowhere else. The copy is made of a fresh backup,
    /// or of an archive: --rehearse=latest
    #[arg(long, value_name = "ARCHIVE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    rehearse: Option<String>,
    /// Begin only if in the rehearsal no statement kept others waiting for longer (500ms, 2s)
    #[arg(long, value_name = "TIME", requires = "rehearse")]
    max_lock: Option<String>,
    #[command(flatten)]
    scratch: ScratchFlags,
}

impl RehearseFlags {
    pub(crate) fn wanted(&self) -> bool {
        self.rehearse.is_some()
    }

    /// How it is rehearsed, if it is.
    pub(super) async fn read(&self, context: &Context) -> Result<Option<Rehearse>> {
        let Some(name) = &self.rehearse else {
            return match self.scratch.is_given() {
                true => {
                    Err(CommandError::usage("--scratch-url is for a rehearsal").hint("say --rehearse too"))
                }
                false => Ok(None),
            };
        };
        let max_lock = self.max_lock.as_deref().map(|text| {
            let wrong = || CommandError::usage(format!("--max-lock: `{text}` is no duration"));
            configuration::duration(text).ok_or_else(|| wrong().hint("write it as 500ms, 2s or 1min"))
        });
        let beside = match self.scratch.is_given() {
            true => Some(Database::new(self.scratch.url(context)?)?),
            false => None,
        };
        let max_lock = max_lock.transpose()?;
        let archive = match name.as_str() {
            "" => None,
            name => Some(named::find(context, name).await?.backup.name()?),
        };
        Ok(Some(Rehearse { max_lock, beside, archive }))
    }
}
