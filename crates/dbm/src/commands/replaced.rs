use backup::restore;
use chrono::SecondsFormat;
use clap::Args;
use database::Database;
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::report::for_shell;
use crate::{ask, output};

/// `dbm replaced`
#[derive(Debug, Args)]
#[command(
    after_help = "A restore keeps what it replaces until it is let go by its exact name. That cannot be undone.
What restores that were killed have left is listed too, and goes the same way.

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
            let database = Database::new(url)?;
            let all = restore::replaced(&database).await?;
            let leftovers = restore::leftovers(&database).await?;
            let mut rows: Vec<Vec<String>> = all
                .iter()
                .map(|replaced| {
                    vec![
                        replaced.name.clone(),
                        replaced.when.to_rfc3339_opts(SecondsFormat::Secs, true),
                        replaced.bytes.map_or("-".to_owned(), output::bytes),
                    ]
                })
                .collect();
            rows.extend(leftovers.iter().map(|name| {
                vec![
                    name.clone(),
                    "left by a command that was killed, or is at work".to_owned(),
                    String::new(),
                ]
            }));
            let mut text =
                if rows.is_empty() { "nothing is kept\n".to_owned() } else { output::columns(&rows) };
            if let Some(row) = rows.first() {
                text.push_str(&format!("let one go with: dbm replaced --let-go {}\n", for_shell(&row[0])));
            }
            let document = json!({ "command": "replaced", "replaced": all, "leftovers": leftovers });
            context.output.answer(&document, &text);
            return Ok(());
        };
        let database = Database::new(url.clone())?;
        let left = restore::leftovers(&database).await?.contains(name);
        if !context.yes
            && !left
            && !restore::replaced(&database).await?.iter().any(|replaced| replaced.name == *name)
        {
            return Err(CommandError::failed(format!("`{name}` is nothing that a restore replaced or left"))
                .hint("`dbm replaced` lists what there is"));
        }
        let question = format!("Remove {name} for good?");
        if !context.yes {
            match ask::confirm(&question, &context.cancel) {
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
        let done = async {
            match left {
                true => migrate::scratch::discard(&database, name).await?,
                false => restore::let_go(&database, name).await?,
            }
            Ok(())
        };
        let done: Result<()> = done.await;
        audit.finish(&done, json!({ "let_go": name }));
        done?;
        context
            .output
            .report(&json!({ "command": "replaced", "let_go": name }), &format!("{name} is gone\n"));
        Ok(())
    }
}
