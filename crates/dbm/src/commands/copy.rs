use backup::copy;
use clap::Args;
use serde_json::json;

use super::named::{self, Named};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::output;
use crate::progress::Shown;

/// `dbm copy`
#[derive(Debug, Args)]
#[command(
    after_help = "Byte for byte, checked against the hash of when it was written. The other store is written as
--store is: a folder, or s3://bucket/prefix.

Example:
  dbm copy latest --to s3://bucket/shop"
)]
pub(crate) struct Copy {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
    /// The store that is to have it as well
    #[arg(long, value_name = "STORE")]
    to: String,
}

impl Copy {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let to = context.store_named(&self.to)?;
        let Named { backup, store: from, .. } = named::find(context, &self.name).await?;
        let name = backup.name()?;
        let Some(sidecar) =
            backup.sidecar.filter(|_| !matches!(backup.state, backup::catalogue::State::Unknown(_)))
        else {
            return Err(CommandError::failed(format!("{name} is not known to be whole, and is not copied"))
                .hint(format!("`dbm verify {name}` looks at every byte")));
        };
        let progress = Shown::new(&context.output);
        let copied = copy::copy(&*from, &name, &sidecar, &*to, &*progress, &context.cancel).await?;
        let document = json!({
            "command": "copy",
            "archive": name.to_string(),
            "store": to.describe(),
            "from": from.describe(),
            "bytes": copied.bytes,
            "sha256": copied.sha256,
        });
        let text = format!("copied {name}, {}, into {}\n", output::bytes(copied.bytes), to.describe());
        context.output.report(&document, &text);
        Ok(())
    }
}
