//! One file per verb.

pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod password;

use crate::arguments::Command;
use crate::context::Context;
use crate::error::Result;

/// Runs a verb.
pub(crate) async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Init(verb) => verb.run(context),
        Command::New(verb) => verb.run(context),
        Command::Password(verb) => verb.run(context),
        Command::Completions(verb) => verb.run(context),
        Command::Man(verb) => verb.run(context),
    }
}
