use backup::catalogue;
use clap::Args;
use serde_json::json;

use super::named;
use crate::context::Context;
use crate::error::Result;

/// `dbm pin`
#[derive(Debug, Args)]
#[command(after_help = "A pinned archive is never pruned. Runs pin their own backups until they are over.

Examples:
  dbm pin latest --reason \"before the merger\"
  dbm pin shop_20261121T013400Z.sql.zst")]
pub(crate) struct Pin {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
    /// Why it must stay
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    reason: String,
}

/// `dbm unpin`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dbm unpin shop_20261121T013400Z.sql.zst")]
pub(crate) struct Unpin {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
}

impl Pin {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        set(context, &self.name, Some(&self.reason)).await
    }
}

impl Unpin {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        set(context, &self.name, None).await
    }
}

async fn set(context: &Context, name: &str, reason: Option<&str>) -> Result<()> {
    let (backup, stores) = named::everywhere(context, name).await?;
    let name = backup.name()?;
    let of: Vec<_> = stores.iter().map(|store| store.describe()).collect();
    let audit = context.audit_of(&of.join(", "))?;
    audit.start();
    let done = async {
        for store in &stores {
            catalogue::pin(&**store, &name, reason).await?;
        }
        Ok(())
    };
    let done: Result<()> = done.await;
    audit.finish(&done, json!({ "archive": name.to_string(), "reason": reason }));
    done?;
    let described: Vec<_> = stores.iter().map(|store| store.describe()).collect();
    let document = json!({
        "command": context.command,
        "archive": name.to_string(),
        "store": described.join(", "),
        "stores": described,
        "pin": reason,
    });
    let text = match reason {
        Some(reason) => format!("{name} stays until `dbm unpin {name}`: {reason}\n"),
        None => format!("{name} goes when its time has come\n"),
    };
    context.output.report(&document, &text);
    Ok(())
}
