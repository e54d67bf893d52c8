use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::Result;

/// `dbm completions SHELL`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dbm completions bash > /etc/bash_completion.d/dbm
  dbm completions zsh > ~/.zfunc/_dbm")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "dbm", &mut script);
        context.output.data(&String::from_utf8_lossy(&script));
        Ok(())
    }
}
