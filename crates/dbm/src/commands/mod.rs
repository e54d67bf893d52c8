//! One file per verb.

pub(crate) mod adopt;
pub(crate) mod backup;
pub(crate) mod backups;
pub(crate) mod baseline;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod current;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod generate;
pub(crate) mod heads;
pub(crate) mod history;
pub(crate) mod init;
mod keep_going;
pub(crate) mod keys;
pub(crate) mod man;
mod marking;
pub(crate) mod merge;
pub(crate) mod migrate;
mod named;
pub(crate) mod new;
pub(crate) mod password;
pub(crate) mod pin;
pub(crate) mod prune;
pub(crate) mod recover;
mod rehearse_flags;
pub(crate) mod repair;
pub(crate) mod replaced;
pub(crate) mod reset;
pub(crate) mod restore;
pub(crate) mod rollback;
mod run_flags;
pub(crate) mod schema;
mod scratch_flags;
pub(crate) mod seed;
mod selection_flags;
pub(crate) mod show;
pub(crate) mod squash;
pub(crate) mod stamp;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod wait;
mod watched;

use crate::arguments::Command;
use crate::context::Context;
use crate::error::Result;

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Init(verb) => verb.run(context),
        Command::New(verb) => verb.run(context),
        Command::Generate(verb) => Box::pin(verb.run(context)).await,
        Command::Backup(verb) => verb.run(context).await,
        Command::Backups(verb) => verb.run(context).await,
        Command::Show(verb) => verb.run(context).await,
        Command::Verify(verb) => verb.run(context).await,
        Command::Prune(verb) => verb.run(context).await,
        Command::Pin(verb) => verb.run(context).await,
        Command::Unpin(verb) => verb.run(context).await,
        Command::Copy(verb) => verb.run(context).await,
        Command::Restore(verb) => Box::pin(verb.run(context)).await,
        Command::Migrate(verb) => verb.run(context).await,
        Command::Upgrade(verb) => verb.run(context).await,
        Command::Reset(verb) => Box::pin(verb.run(context)).await,
        Command::Rollback(verb) => verb.run(context).await,
        Command::Downgrade(verb) => verb.run(context).await,
        Command::Seed(verb) => verb.run(context).await,
        Command::Recover(verb) => verb.run(context).await,
        Command::Baseline(verb) => verb.run(context).await,
        Command::Adopt(verb) => verb.run(context).await,
        Command::Stamp(verb) => verb.run(context).await,
        Command::Repair(verb) => verb.run(context).await,
        Command::Heads(verb) => verb.run(context),
        Command::Merge(verb) => verb.run(context).await,
        Command::Squash(verb) => Box::pin(verb.run(context)).await,
        Command::Status(verb) => verb.run(context).await,
        Command::History(verb) => verb.run(context).await,
        Command::Current(verb) => verb.run(context).await,
        Command::Check(verb) => Box::pin(verb.run(context)).await,
        Command::Doctor(verb) => verb.run(context).await,
        Command::Drift(verb) => Box::pin(verb.run(context)).await,
        Command::Schema(verb) => verb.run(context).await,
        Command::Wait(verb) => verb.run(context).await,
        Command::Replaced(verb) => verb.run(context).await,
        Command::Keys(verb) => verb.run(context).await,
        Command::Password(verb) => verb.run(context),
        Command::Completions(verb) => verb.run(context),
        Command::Man(verb) => verb.run(context),
    }
}
