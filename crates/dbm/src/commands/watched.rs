//! How a database's backups are, for `dbm status`.

use backup::catalogue;
use backup::health::{self, Health, Limits};
use backup::store::Require;
use chrono::Utc;
use database::Database;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::output;

/// The backups of one database in each store, compared with the limits.
pub(crate) struct Watched {
    stores: Vec<(String, Health)>,
    require: Require,
}

impl Watched {
    /// Looks at the stores where that was asked for, or where there is a limit.
    pub(crate) async fn look(context: &Context, database: &Database, asked: bool) -> Result<Option<Self>> {
        let configuration = &context.configuration;
        let limits = Limits {
            max_age: configuration.limit("max_age")?,
            max_unproven: configuration.limit("max_unproven")?,
        };
        if !asked && limits == Limits::default() {
            return Ok(None);
        }
        let sources = database.sources().await?;
        let mut stores = Vec::new();
        for store in context.stores()? {
            let all = catalogue::list(&*store).await?;
            stores.push((store.describe(), health::examine(&all, &sources, limits, Utc::now())));
        }
        Ok(Some(Self { stores, require: configuration.require()? }))
    }

    /// Whether too many of the stores have what is wrong: any of them, or, where any one is enough, all.
    pub(crate) fn is_unwell(&self) -> bool {
        let mut unwell = self.stores.iter().map(|(_, health)| !health.findings.is_empty());
        match self.require {
            Require::All => unwell.any(|unwell| unwell),
            Require::Any => unwell.all(|unwell| unwell),
        }
    }

    pub(crate) fn document(&self) -> Value {
        let each = self.stores.iter().map(|(store, health)| {
            let mut document = json!(health);
            document["store"] = json!(store);
            document
        });
        each.collect()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (store, health) in &self.stores {
            let unknown = match health.unknown {
                0 => String::new(),
                count => format!(", {}", output::plural(count, "unknown file")),
            };
            text.push_str(&format!("\n{} in {store}{unknown}\n", output::plural(health.good, "good backup")));
            let newest = health.newest.as_ref();
            let rows = [
                ("newest", newest.map(|backup| backup.file.clone())),
                ("begun", newest.and_then(catalogue::Backup::time).map(output::moment)),
                ("last verified", health.last_verified.map(output::moment)),
                ("last proven", health.last_proven.map(output::moment)),
            ];
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(what, value)| vec![format!("  {what}"), value.unwrap_or_else(|| "never".to_owned())])
                .collect();
            text.push_str(&output::columns(&rows));
            for unwell in &health.findings {
                text.push_str(&format!("{}\n  {}\n", unwell.message, unwell.hint));
            }
        }
        text
    }
}
