use backup::archive::{Archive, Grade};
use chrono::SecondsFormat;
use clap::Args;
use serde_json::json;

use super::named::{self, Named};
use crate::context::Context;
use crate::error::Result;
use crate::output;

/// `dbm show`
#[derive(Debug, Args)]
#[command(
    after_help = "It reads the archive's tail, and needs no database unless the name is `latest` or its like.

Example:
  dbm show shop_20261121T013400Z.sql.zst --json"
)]
pub(crate) struct Show {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
}

impl Show {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let Named { backup, store, .. } = named::find(context, &self.name).await?;
        let name = backup.name()?;
        let archive = Archive::open(store.source(&name).await?).await?;
        let (head, index) = (archive.head(), archive.index());
        let sidecar = store.read_sidecar(&name).await?;
        let tables: Vec<_> = index
            .tables
            .iter()
            .map(|table| json!({ "table": table.id, "rows": table.digest.rows, "digest": table.digest.digest, "columns": table.columns }))
            .collect();
        let document = json!({
            "command": "show",
            "archive": name.to_string(),
            "store": store.describe(),
            "engine": head.engine,
            "server_version": head.server_version,
            "database": head.database,
            "source": index.source,
            "time": head.time,
            "dbm": head.dbm_version,
            "identity": archive.identity(),
            "bytes": archive.bytes(),
            "bytes_before_compression": index.bytes(),
            "parts": index.parts.len(),
            "snapshot": index.snapshot,
            "grade": index.grade,
            "kinds": index.kinds,
            "left_out": index.left_out,
            "partial": index.partial,
            "tables": tables,
            "state": backup.state,
            "last_verified": sidecar.as_ref().and_then(|sidecar| sidecar.last_verified),
            "last_proven": sidecar.as_ref().and_then(|sidecar| sidecar.last_proven),
            "pin": sidecar.as_ref().and_then(|sidecar| sidecar.pin.clone()),
        });
        let when = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let checked = |time: Option<chrono::DateTime<chrono::Utc>>| time.map_or("never".to_owned(), when);
        let mut rows = vec![
            vec!["archive".to_owned(), name.to_string()],
            vec![
                "database".to_owned(),
                format!("{} ({} {})", head.database, head.engine, head.server_version),
            ],
            vec!["source".to_owned(), index.source.to_string()],
            vec!["time".to_owned(), when(head.time)],
            vec![
                "size".to_owned(),
                format!(
                    "{} ({} before compression, {})",
                    output::bytes(archive.bytes()),
                    output::bytes(index.bytes()),
                    output::plural(index.parts.len() as u64, "part")
                ),
            ],
            vec!["identity".to_owned(), archive.identity().to_string()],
            vec![
                "grade".to_owned(),
                match &index.grade {
                    Grade::Exact => "exact: all of one moment".to_owned(),
                    Grade::Weakened(reasons) => format!("weakened: {}", reasons.join("; ")),
                },
            ],
            vec!["verified".to_owned(), checked(sidecar.as_ref().and_then(|sidecar| sidecar.last_verified))],
            vec!["proven".to_owned(), checked(sidecar.as_ref().and_then(|sidecar| sidecar.last_proven))],
        ];
        if index.partial {
            rows.push(vec![
                "partial".to_owned(),
                "it takes no database's place; restore it with --into".to_owned(),
            ]);
        }
        rows.extend(index.left_out.iter().map(|what| vec!["left out".to_owned(), what.clone()]));
        let mut text = output::columns(&rows);
        text.push('\n');
        let tables: Vec<Vec<String>> = index
            .tables
            .iter()
            .map(|table| vec![table.id.to_string(), output::plural(table.digest.rows, "row")])
            .collect();
        text.push_str(&output::columns(&tables));
        context.output.answer(&document, &text);
        Ok(())
    }
}
