use backup::restore;
use chrono::SecondsFormat;
use clap::Args;
use database::Database;
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::{ask, output};

/// `dbm replaced`
#[derive(Debug, Args)]
#[command(
    after_help = "A restore keeps what it replaces until it is let go by its exact name. That cannot be undone.

Examples:
  dbm replaced
  dbm replaced --let-go shop_replaced_20261121T013400Z"
)]
pub(crate) struct Replaced {
    /// Remove this one for good
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    let_go: Option<String>,
}

impl Replaced {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        let Some(name) = &self.let_go else {
            let all = restore::replaced(&Database::new(url)?).await?;
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|replaced| {
                    vec![
                        replaced.name.clone(),
                        replaced.when.to_rfc3339_opts(SecondsFormat::Secs, true),
                        replaced.bytes.map_or("-".to_owned(), output::bytes),
                    ]
                })
                .collect();
            let text = if rows.is_empty() { "nothing\n".to_owned() } else { output::columns(&rows) };
            context.output.answer(&json!({ "command": "replaced", "replaced": all }), &text);
            return Ok(());
        };
        let question = format!("Remove {name} for good?");
        if !context.yes {
            match ask::confirm(&question) {
                Some(true) => {}
                Some(false) => return Err(CommandError::failed("nothing was removed: the answer was no")),
                None => {
                    return Err(CommandError::usage(format!("removing {name} cannot be undone"))
                        .hint("say --yes if it may go for good"));
                }
            }
        }
        let audit = context.audit(&url)?;
        audit.start();
        let done = async { Ok(restore::let_go(&Database::new(url)?, name).await?) };
        let done: Result<()> = done.await;
        audit.finish(&done, json!({ "let_go": name }));
        done?;
        context
            .output
            .report(&json!({ "command": "replaced", "let_go": name }), &format!("{name} is gone\n"));
        Ok(())
    }
}
