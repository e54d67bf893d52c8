use std::time::{Duration, Instant};

use clap::Args;
use database::sqlite::Mode;
use database::{Database, DatabaseUrl};
use serde_json::json;

use crate::configuration;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::output;

/// Between two tries: short beside what a server takes to start.
const PAUSE: Duration = Duration::from_millis(200);

/// `dbm wait`
#[derive(Debug, Args)]
#[command(
    after_help = "While a server starts, it may refuse in many ways: whatever a try fails with, the next one is
made, and the last reason is told when the time is over. Ends with 1 then.

Example:
  dbm wait --timeout 2min && dbm migrate --safe"
)]
pub(crate) struct Wait {
    /// How long: 500ms, 30s, 2min
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: String,
}

impl Wait {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let timeout = configuration::duration(&self.timeout).ok_or_else(|| {
            CommandError::usage(format!("--timeout is `{}`, not a duration", self.timeout))
                .hint("write --timeout 60s, for example")
        })?;
        let url = context.url_to_make()?;
        if let DatabaseUrl::Sqlite(file) = &url
            && file.mode == Mode::Create
            && !file.path.exists()
        {
            // Nobody else is to make it, and neither does a wait.
            let document =
                json!({ "command": "wait", "database": Database::new(url)?.name(), "duration_ms": 0 });
            context.output.report(&document, "there is nothing to wait for: `dbm migrate` makes the file\n");
            return Ok(());
        }
        let database = Database::new(context.url()?)?;
        let began = Instant::now();
        let (mut said, mut last) = (false, None);
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            let answered = tokio::select! {
                // One try is always let to its end, unless the time is over.
                answered = tokio::time::timeout(left.max(PAUSE), answers(&database)) => answered,
                () = context.cancel.cancelled() => return Err(CommandError::failed("stopped while waiting")),
            };
            let error = match answered {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error,
                // The time was over in the middle of a try: what the one before it said is the reason.
                Err(_) => last.take().unwrap_or_else(|| CommandError::failed("it does not answer")),
            };
            if began.elapsed() >= timeout {
                let waited = output::duration(timeout);
                return Err(CommandError::failed(format!(
                    "{} does not answer within {waited}: {}",
                    database.name(),
                    error.chain().join(": ")
                ))
                .hint("see whether the server is being started, and wait longer with --timeout"));
            }
            if !said {
                context.output.say(&format!("waiting for {}: {}", database.name(), error.chain().join(": ")));
                said = true;
            }
            last = Some(error);
            tokio::time::sleep(PAUSE.min(timeout.saturating_sub(began.elapsed()))).await;
        }
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let document = json!({ "command": "wait", "database": database.name(), "duration_ms": waited });
        context.output.report(&document, &format!("{} answers\n", database.name()));
        Ok(())
    }
}

async fn answers(database: &Database) -> Result<()> {
    let mut session = database.session().await?;
    session.query("SELECT 1").await?;
    Ok(())
}
