use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::configuration::Flags;

/// Backup-and-restore focused migrations for PostgreSQL, MySQL, MariaDB and SQLite.
#[derive(Debug, Parser)]
#[command(
    name = "dbm",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    about = "Migrations that can always be taken back: every run backs up, verifies, and restores on failure",
    after_help = "Examples:
  dbm init                        a dbm.toml and the folders
  dbm new \"add orders\"            the next migration and its rollback
  dbm migrate --safe              back up, apply, verify; put back on failure
  dbm backup                      one archive, restorable with zstd and psql or sqlite3 alone
  dbm restore latest              at three in the morning

The database is given by --url, --url-file, DATABASE_URL, .env or dbm.toml, in this order.
Exit codes: 0 done and checked; 1 failed, nothing changed; 2 usage; 3 failed and put back;
4 needs a person; 5 check or status found something; 6 some modules of --keep-going are done and some failed; 75 another run holds the lock."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The database: postgres://user@host:5432/name or sqlite:path/to/file
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A file that holds the URL, so that no process list shows it
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "url")]
    pub(crate) url_file: Option<String>,
    /// Where archives live: a folder, or s3://bucket/prefix; several make each backup go to all of them
    #[arg(long, global = true, value_name = "STORE")]
    store: Vec<String>,
    /// How many of several stores must have a backup: all, or any
    #[arg(long, global = true, value_name = "HOW", value_parser = ["all", "any"])]
    require: Option<String>,
    /// Where parts of an upload too large for memory wait until they are sent
    #[arg(long, global = true, value_name = "FOLDER")]
    spool: Option<String>,
    /// Encrypt archives for these: age1… or SSH public keys, with commas between
    #[arg(long, global = true, value_name = "KEYS")]
    recipients: Option<String>,
    /// The key that opens encrypted archives: of age, or a private one of SSH
    #[arg(long, global = true, value_name = "FILE")]
    identity_file: Option<String>,
    /// A file that holds the passphrase that archives are encrypted with
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<String>,
    /// The folder of migrations
    #[arg(long, global = true, value_name = "FOLDER")]
    migrations: Option<String>,
    /// The folder of rollbacks
    #[arg(
        long = "rollback-folder",
        id = "rollback_folder",
        global = true,
        value_name = "FOLDER",
        alias = "rollback"
    )]
    rollbacks: Option<String>,
    /// The configuration, instead of the nearest dbm.toml upwards from here
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where migration.log is written
    #[arg(long, global = true, value_name = "FOLDER")]
    log_dir: Option<String>,
    /// How many workers read, write and compress
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// One JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only answers and errors, no talk
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// No colours (NO_COLOR does the same)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Answer yes to every question
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

impl Global {
    /// What of it belongs to the configuration.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags: Flags = BTreeMap::new();
        let texts = [
            ("url", &self.url),
            ("url_file", &self.url_file),
            ("require", &self.require),
            ("spool", &self.spool),
            ("recipients", &self.recipients),
            ("identity_file", &self.identity_file),
            ("passphrase_file", &self.passphrase_file),
            ("migrations", &self.migrations),
            ("rollback", &self.rollbacks),
            ("log_dir", &self.log_dir),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                flags.insert(name, value.clone());
            }
        }
        if !self.store.is_empty() {
            flags.insert("store", self.store.join("\n"));
        }
        if let Some(jobs) = self.jobs {
            flags.insert("jobs", jobs.to_string());
        }
        flags
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a dbm.toml, the folders, a .env.example and a .gitignore
    Init(commands::init::Init),
    /// Write the next migration and its rollback, to be filled in
    #[command(visible_alias = "revision")]
    New(commands::new::New),
    /// Write the next migration from what is wanted: a schema.sql, models, another database
    Generate(commands::generate::Generate),
    /// Back the database up into the store
    Backup(commands::backup::Backup),
    /// List the archives of the store
    Backups(commands::backups::Backups),
    /// Show what is in an archive
    Show(commands::show::Show),
    /// Check every byte of an archive, or restore it on the side and compare (--deep)
    Verify(commands::verify::Verify),
    /// Remove the archives that no rule keeps
    Prune(commands::prune::Prune),
    /// Keep an archive from being pruned
    Pin(commands::pin::Pin),
    /// Let an archive be pruned again
    Unpin(commands::pin::Unpin),
    /// Copy an archive into another store
    Copy(commands::copy::Copy),
    /// Put an archive in the database's place, beside it first, proven, then exchanged
    Restore(commands::restore::Restore),
    /// Apply the pending migrations: backed up, verified, put back on failure
    Migrate(commands::migrate::Migrate),
    /// As migrate, in Alembic's words: upgrade head, upgrade +1, upgrade 12
    Upgrade(commands::migrate::Upgrade),
    /// Run the files of migrations/seeds/ that are new or were changed: backed up, put back on failure
    Seed(commands::seed::Seed),
    /// Make a development database anew from migrations and seeds: backed up first
    Reset(commands::reset::Reset),
    /// Take migrations back: backed up, verified, put back on failure
    Rollback(commands::rollback::Rollback),
    /// As rollback, in Alembic's words: downgrade -1, downgrade base, downgrade 12
    Downgrade(commands::rollback::Downgrade),
    /// Finish what a killed run left, or put the database back
    Recover(commands::recover::Recover),
    /// Record what a database has that dbm did not make
    Baseline(commands::baseline::Baseline),
    /// Take over a project of another tool: its files, and what it has applied
    Adopt(commands::adopt::Adopt),
    /// Make the history say that the migrations up to one are applied, and run nothing
    Stamp(commands::stamp::Stamp),
    /// Show where history and folder do not fit, and mend it
    Repair(commands::repair::Repair),
    /// Show the migrations that nothing comes after
    Heads(commands::heads::Heads),
    /// Make one line of migrations that were written at the same time
    Merge(commands::merge::Merge),
    /// Fold old migrations into one that makes the same of a new database
    Squash(commands::squash::Squash),
    /// Show which migrations are applied and which are pending
    Status(commands::status::Status),
    /// Show when, by whom and in which run migrations were applied
    History(commands::history::History),
    /// Show the newest applied migration
    Current(commands::current::Current),
    /// Look for mistakes in the migrations, and between them and the history
    Check(commands::check::Check),
    /// Try everything that a run will need, and change nothing
    Doctor(commands::doctor::Doctor),
    /// Show what was changed in the database by hand
    Drift(commands::drift::Drift),
    /// Write the current schema as SQL, or as a page with a diagram
    Schema(commands::schema::Schema),
    /// Wait until the database answers
    Wait(commands::wait::Wait),
    /// List what restores have replaced, or let it go
    Replaced(commands::replaced::Replaced),
    /// Make keys for encrypted archives
    Keys(commands::keys::Keys),
    /// Encode, hash or make up a password
    Password(commands::password::Password),
    /// Print the completions of a shell
    Completions(commands::completions::Completions),
    /// Write the man pages into a folder
    Man(commands::man::Man),
}

impl Command {
    /// Whether it may move rows between databases and archives.
    pub(crate) fn moves_rows(&self) -> bool {
        match self {
            Self::Backup(_)
            | Self::Verify(_)
            | Self::Copy(_)
            | Self::Restore(_)
            | Self::Seed(_)
            | Self::Reset(_)
            | Self::Recover(_) => true,
            Self::Migrate(migrate) => migrate.run.makes_backup() || migrate.rehearse.wanted(),
            Self::Upgrade(upgrade) => upgrade.run.makes_backup() || upgrade.rehearse.wanted(),
            Self::Rollback(rollback) => rollback.run.makes_backup(),
            Self::Downgrade(downgrade) => downgrade.run.makes_backup(),
            _ => false,
        }
    }

    /// Its word, for the log and `--json`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::New(_) => "new",
            Self::Generate(_) => "generate",
            Self::Backup(_) => "backup",
            Self::Backups(_) => "backups",
            Self::Show(_) => "show",
            Self::Verify(_) => "verify",
            Self::Prune(_) => "prune",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::Copy(_) => "copy",
            Self::Restore(_) => "restore",
            Self::Migrate(_) | Self::Upgrade(_) => "migrate",
            Self::Reset(_) => "reset",
            Self::Rollback(_) | Self::Downgrade(_) => "rollback",
            Self::Seed(_) => "seed",
            Self::Recover(_) => "recover",
            Self::Baseline(_) => "baseline",
            Self::Adopt(_) => "adopt",
            Self::Stamp(_) => "stamp",
            Self::Repair(_) => "repair",
            Self::Heads(_) => "heads",
            Self::Merge(_) => "merge",
            Self::Squash(_) => "squash",
            Self::Status(_) => "status",
            Self::History(_) => "history",
            Self::Current(_) => "current",
            Self::Check(_) => "check",
            Self::Doctor(_) => "doctor",
            Self::Drift(_) => "drift",
            Self::Schema(_) => "schema",
            Self::Wait(_) => "wait",
            Self::Replaced(_) => "replaced",
            Self::Keys(_) => "keys",
            Self::Password(_) => "password",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// What of its own flags belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        match self {
            Self::Backup(verb) => verb.add_flags(flags),
            Self::Verify(verb) => verb.add_flags(flags),
            Self::Prune(verb) => verb.add_flags(flags),
            Self::Status(verb) => verb.add_flags(flags),
            Self::Migrate(verb) => verb.add_flags(flags),
            Self::Upgrade(verb) => verb.add_flags(flags),
            Self::Seed(verb) => verb.run.add_flags(flags),
            Self::Rollback(verb) => verb.run.add_flags(flags),
            Self::Downgrade(verb) => verb.run.add_flags(flags),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        for verb in Arguments::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("dbm {}", verb.get_name())), "{} has no example", verb.get_name());
        }
    }
}
