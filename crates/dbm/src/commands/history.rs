use std::time::Duration;

use clap::Args;
use database::Database;
use migrate::files;
use migrate::history::{self, State};
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::output;

/// `dbm history`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dbm history --json")]
pub(crate) struct History {}

impl History {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let database = Database::new(context.url()?)?;
        let mut session = database.session().await?;
        let mut applied = history::read(&mut *session).await?;
        let open = context.open_run(&mut *session).await?;
        context.warn_of(open.as_ref());
        applied.sort_by_key(|row| row.position);
        let mut documents = Vec::new();
        let mut rows = Vec::new();
        for row in &applied {
            documents.push(json!({
                "position": row.position,
                "number": row.number,
                "name": row.name,
                "module": row.module,
                "state": row.state,
                "checksum": row.checksum,
                "algorithm": row.algorithm,
                "rollback_kept": row.rollback.is_some(),
                "applied_at": row.applied_at,
                "applied_by": row.applied_by,
                "duration_ms": row.duration_ms,
                "run": row.run,
                "dbm": row.dbm,
            }));
            let state = if row.state == State::Satisfied { "satisfied" } else { "applied" };
            rows.push(vec![
                files::label(row.number, &row.name),
                state.to_owned(),
                row.applied_at.clone(),
                row.applied_by.clone(),
                output::duration(Duration::from_millis(row.duration_ms)),
                row.run.clone(),
            ]);
        }
        let repeated = history::read_repeated(&mut *session).await?;
        rows.extend(repeated.iter().map(|row| {
            vec![
                row.kind.label(&row.name),
                "applied".to_owned(),
                row.applied_at.clone(),
                row.applied_by.clone(),
                output::duration(Duration::from_millis(row.duration_ms)),
                row.run.clone(),
            ]
        }));
        let text = if rows.is_empty() {
            format!("no migration is applied to {}\n", database.name())
        } else {
            output::columns(&rows)
        };
        let document = json!({ "command": "history", "database": database.name(), "history": documents, "repeated": repeated });
        context.output.answer(&document, &text);
        Ok(())
    }
}
