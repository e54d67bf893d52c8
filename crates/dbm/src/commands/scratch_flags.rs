//! Where scratch databases are made.

use clap::Args;
use database::DatabaseUrl;

use crate::connection;
use crate::context::Context;
use crate::error::{CommandError, Result};

/// Flags of what tries migrations out.
#[derive(Debug, Default, Args)]
pub(super) struct ScratchFlags {
    /// A database on the server where the scratch database is made, instead of the target's server
    #[arg(long, value_name = "URL")]
    scratch_url: Option<String>,
}

impl ScratchFlags {
    /// Whether another server was named.
    pub(super) fn is_given(&self) -> bool {
        self.scratch_url.is_some()
    }

    /// The database beside which it is made: of the same engine as the target. Where it is named, no target need be.
    pub(super) fn url(&self, context: &Context) -> Result<DatabaseUrl> {
        let Some(text) = &self.scratch_url else { return context.url_to_make() };
        let url = DatabaseUrl::parse(text)?;
        context.output.hide(&url.password().map(str::to_owned).into_iter().collect::<Vec<_>>());
        let is_given = connection::is_given(&context.configuration);
        let target = if is_given { context.url_to_make()? } else { url.clone() };
        if url.engine() != target.engine() {
            let what = format!(
                "--scratch-url names {}, and the migrations are for {}",
                url.engine(),
                target.engine()
            );
            return Err(CommandError::usage(what).hint("name a server of the same kind"));
        }
        Ok(url)
    }
}
