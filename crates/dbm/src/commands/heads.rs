use clap::Args;
use migrate::files::{self, Rule};
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};

/// `dbm heads`
#[derive(Debug, Args)]
#[command(
    after_help = "A head is a migration that nothing comes after. There is one (in each module), unless two files were
written at the same time: with one number, or by `-- dbm: requires` on the same one. No database is asked.

Examples:
  dbm heads
  dbm heads --check     5 if there is more than one, for a build"
)]
pub(crate) struct Heads {
    /// End with 5 if there is more than one head, or two files have one number
    #[arg(long)]
    check: bool,
}

impl Heads {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let (migrations, findings) = files::survey(&context.folder())?;
        let branches = files::branches(&migrations);
        let duplicates: Vec<_> =
            findings.into_iter().filter(|finding| finding.rule == Rule::Duplicate).collect();
        let several = branches.iter().any(|branch| branch.heads.len() > 1) || !duplicates.is_empty();
        let mut text = String::new();
        for branch in &branches {
            let module = branch.module.as_ref().map_or(String::new(), |module| format!("  [{module}]"));
            for head in &branch.heads {
                text.push_str(&format!("{}{module}\n", head.label()));
            }
        }
        for duplicate in &duplicates {
            text.push_str(&format!("{}\n", duplicate.message));
        }
        if several {
            text.push_str("`dbm merge` makes one line of them again\n");
        }
        let document =
            json!({ "command": "heads", "branches": branches, "duplicates": duplicates, "several": several });
        context.output.answer(&document, &text);
        match self.check && several {
            true => Err(CommandError::reported(Meaning::Found, "there is more than one head")),
            false => Ok(()),
        }
    }
}
