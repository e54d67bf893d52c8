use std::path::PathBuf;

use database::DatabaseUrl;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::configuration::Configuration;
use crate::connection::{self, Target};
use crate::error::Result;
use crate::output::Output;

/// What every verb is given.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) configuration: Configuration,
    /// The verb's word.
    pub(crate) command: &'static str,
    /// Answer yes to every question.
    pub(crate) yes: bool,
    pub(crate) cancel: CancellationToken,
}

impl Context {
    /// The database's URL; from here on its password appears nowhere.
    pub(crate) fn url(&self) -> Result<DatabaseUrl> {
        let Target { url, secrets, shown } = connection::find(&self.configuration)?;
        self.output.hide(&secrets);
        if shown {
            self.output.warn(
                "a password in --url shows in the process list: use DATABASE_URL, --url-file, \
                 or PGPASSWORD, DBM_PASSWORD, DBM_PASSWORD_FILE",
            );
        }
        Ok(url)
    }

    /// The audit log, which a changing command cannot do without.
    pub(crate) fn audit(&self, database: &DatabaseUrl) -> Result<Audit> {
        let folder = self.configuration.path("log_dir");
        Audit::open(&folder, self.command, &database.to_string(), &self.output)
    }

    /// Where migrations and rollbacks lie.
    pub(crate) fn folder(&self) -> migrate::files::Folder {
        let path = |name| -> PathBuf { self.configuration.path(name) };
        migrate::files::Folder { migrations: path("migrations"), rollback: path("rollback") }
    }

    pub(crate) fn jobs(&self) -> Result<usize> {
        Ok(usize::try_from(self.configuration.number("jobs")?).unwrap_or(1).clamp(1, 64))
    }
}
