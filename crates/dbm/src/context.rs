use std::path::PathBuf;
use std::sync::Arc;

use backup::encryption::{EncryptedStore, Keys};
use backup::store::{SeveralStores, Store, Trouble};
use database::sqlite::Mode;
use database::{DatabaseUrl, Session};
use migrate::journal::Told;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::configuration::Configuration;
use crate::connection::{self, Target};
use crate::error::{CommandError, Meaning, Result, io};
use crate::output::Output;

/// The variables that say that archives are to be encrypted.
const ENCRYPTING: &[&str] =
    &["DBM_RECIPIENTS", "DBM_RECIPIENTS_FILE", "DBM_PASSPHRASE", "DBM_PASSPHRASE_FILE"];

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
    ///
    /// A SQLite file that may be made (`mode=rwc`) is made by a run or a restore, never by a look or a backup: that of a
    /// lost file would be an empty one, and good.
    pub(crate) fn url(&self) -> Result<DatabaseUrl> {
        let mut url = self.url_to_make()?;
        if let DatabaseUrl::Sqlite(file) = &mut url
            && file.mode == Mode::Create
        {
            if !file.path.exists() {
                let message = format!("there is no database file {}", file.path.display());
                let error = database::Error::new(database::ErrorKind::NoDatabase, message).with_hint(
                    "`dbm migrate` makes it; if it was lost: `dbm backups`, then `dbm restore NAME` with the name in full",
                );
                return Err(error.into());
            }
            file.mode = Mode::ReadWrite;
        }
        Ok(url)
    }

    /// The same for commands that may make the database.
    pub(crate) fn url_to_make(&self) -> Result<DatabaseUrl> {
        let Target { url, secrets, shown, .. } = connection::find(&self.configuration)?;
        self.output.hide(&secrets);
        if shown {
            self.output.warn(
                "a password in --url shows in the process list: use DATABASE_URL, --url-file, \
                 or PGPASSWORD, DBM_PASSWORD, DBM_PASSWORD_FILE",
            );
        }
        Ok(url)
    }

    /// The same for sessions that act as a role: that of the flag, else the configured one.
    pub(crate) fn url_as(&self, role: Option<&str>) -> Result<DatabaseUrl> {
        self.acting(self.url()?, role)
    }

    /// As [`Context::url_to_make`], for sessions that act as a role.
    pub(crate) fn url_to_make_as(&self, role: Option<&str>) -> Result<DatabaseUrl> {
        self.acting(self.url_to_make()?, role)
    }

    fn acting(&self, mut url: DatabaseUrl, role: Option<&str>) -> Result<DatabaseUrl> {
        let configured = self.configuration.given("role").map(|given| given.value.clone());
        if let Some(role) = role.map(str::to_owned).or(configured) {
            match &mut url {
                DatabaseUrl::Postgres(settings) => settings.role = Some(role),
                _ => {
                    let what = format!("{} has no roles to act as (--role)", url.engine());
                    return Err(CommandError::usage(what).hint("leave --role out, and `role` in dbm.toml"));
                }
            }
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

    /// The folder of a SQLite file that may be made (`mode=rwc`).
    pub(crate) fn make_folder_of(&self, url: &DatabaseUrl) -> Result<()> {
        if let DatabaseUrl::Sqlite(file) = url
            && file.mode == Mode::Create
            && let Some(folder) = file.path.parent().filter(|folder| !folder.exists())
        {
            std::fs::create_dir_all(folder).map_err(io("make the folder", folder))?;
        }
        Ok(())
    }

    /// Where archives live. Several stores are written at once, and read in their order.
    pub(crate) fn store(&self) -> Result<Box<dyn Store>> {
        self.store_reading(0)
    }

    /// The same, read first from one of several.
    pub(crate) fn store_reading(&self, first: usize) -> Result<Box<dyn Store>> {
        let mut stores = self.stores()?;
        if stores.len() == 1 {
            return Ok(stores.remove(0));
        }
        let first = stores.remove(first);
        stores.insert(0, first);
        let several = SeveralStores::new(stores, self.configuration.require()?);
        Ok(Box::new(EncryptedStore::new(Box::new(several), Arc::new(self.keys()?))))
    }

    /// Each store by itself.
    pub(crate) fn stores(&self) -> Result<Vec<Box<dyn Store>>> {
        let names = self.configuration.store_names();
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                return Err(CommandError::usage(format!("the store `{name}` is named twice"))
                    .hint("name each store once: the second copy would be in the place of the first"));
            }
        }
        names.iter().map(|name| self.store_named(name)).collect()
    }

    /// Another store than the configured ones, written in the same way.
    pub(crate) fn store_named(&self, text: &str) -> Result<Box<dyn Store>> {
        Ok(Box::new(self.encrypted_store(text)?))
    }

    /// The same, for what only a store behind keys can do.
    pub(crate) fn encrypted_store(&self, text: &str) -> Result<EncryptedStore> {
        let store = backup::store::choose(text, &self.configuration.stores())?;
        Ok(EncryptedStore::new(store, Arc::new(self.keys()?)))
    }

    /// Says what has failed in one of several stores though the command went on.
    pub(crate) fn warn_of_troubles(&self, troubles: &[Trouble]) {
        for trouble in troubles {
            self.output.warn(&format!("{}: {}", trouble.store, trouble.what));
        }
    }

    /// For whom archives are encrypted, and with what they are opened.
    pub(crate) fn keys(&self) -> Result<Keys> {
        let configuration = &self.configuration;
        let read = |name: &str| -> Result<Option<(String, PathBuf)>> {
            match configuration.given(name) {
                None => Ok(None),
                Some(_) => {
                    let path = configuration.path(name);
                    let text = std::fs::read_to_string(&path).map_err(|error| CommandError {
                        meaning: Meaning::Usage,
                        ..io("read", &path)(error)
                    })?;
                    Ok(Some((text, path)))
                }
            }
        };
        let mut keys = Keys::new();
        if let Some(given) = configuration.given("recipients") {
            keys = keys.with_recipients(&given.value, "`recipients`")?;
        }
        if let Some((text, path)) = read("recipients_file")? {
            keys = keys.with_recipients(&text, &format!("`{}`", path.display()))?;
        }
        let passphrase = match configuration.environment.get("DBM_PASSPHRASE") {
            Some(passphrase) => Some(passphrase.to_owned()),
            None => read("passphrase_file")?.map(|(text, _)| text.trim_end_matches(['\r', '\n']).to_owned()),
        };
        if let Some(passphrase) = passphrase {
            keys = keys.with_passphrase(&passphrase)?;
        }
        // A variable that a script left empty is no wish to encrypt nothing.
        let empty = ENCRYPTING.iter().find(|name| configuration.environment.is_empty(name));
        if let Some(name) = empty.filter(|_| !keys.encrypts()) {
            return Err(CommandError::usage(format!("{name} is empty, so that nothing would be encrypted"))
                .hint("fill it, or unset it to encrypt nothing"));
        }
        if let Some((text, path)) = read("identity_file")? {
            keys = keys.with_identities(&text, &path.to_string_lossy())?;
        }
        if let Some((text, _)) = read("mac_key_file")? {
            keys = keys.with_mac_key(&text)?;
        }
        Ok(keys)
    }

    /// The audit log of a command that changes a store and no database.
    pub(crate) fn audit_of(&self, store: &str) -> Result<Audit> {
        Audit::open(&self.configuration.path("log_dir"), self.command, store, &self.output)
    }

    /// zstd's level.
    pub(crate) fn level(&self) -> Result<i32> {
        let level = self.configuration.number("level")?;
        match i32::try_from(level).ok().filter(|level| (1..=19).contains(level)) {
            Some(level) => Ok(level),
            None => {
                Err(CommandError::usage(format!("zstd has no level {level}")).hint("choose one from 1 to 19"))
            }
        }
    }

    /// The run that is open in the database, whose journal an observer may read.
    pub(crate) async fn open_run(&self, session: &mut dyn Session) -> Result<Option<Told>> {
        let told = Told::read(&session.entries().await?)?;
        Ok(told.filter(|told| told.ending().is_none()))
    }

    /// Says that a run is open, for commands that only read.
    pub(crate) fn warn_of(&self, open: Option<&Told>) {
        if let Some(told) = open {
            self.output.warn(&format!(
                "run {} ({}) of {} on {} is open since {}: if nobody is at work, `dbm recover` finishes it or puts the database back",
                told.run,
                told.begun.kind.word(),
                told.begun.by,
                told.begun.host,
                told.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            ));
        }
    }

    pub(crate) fn jobs(&self) -> Result<usize> {
        Ok(usize::try_from(self.configuration.number("jobs")?).unwrap_or(1).clamp(1, 64))
    }
}
