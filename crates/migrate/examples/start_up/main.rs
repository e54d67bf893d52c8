//! An application that migrates its own database when it starts. Run it as often at once as you like:
//!
//!     cargo run -p migrate --example start_up -- 'sqlite:shop.db?mode=rwc'

#![expect(clippy::print_stderr, reason = "an application's log")]

use std::sync::Arc;

use migrate::{Event, Migrator, Moment, Watch, embed_migrations};

/// Writes each step that is done into the application's log.
struct Log;

impl Watch for Log {
    fn step(&self, event: &Event) {
        if event.moment == Moment::After {
            eprintln!("database: {} {}", event.step, event.about.as_deref().unwrap_or_default());
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give the database's URL")?;
    let files = embed_migrations!("examples/start_up/migrations", "examples/start_up/rollback");
    let migrator = Migrator::embedded(files)?.with_store_folder("backups").with_watch(Arc::new(Log));
    let report = migrator.run(&url).await?;
    eprintln!("database: {} ({} applied now)", report.state, report.migrations.len());
    // Here the application begins to serve.
    Ok(())
}
