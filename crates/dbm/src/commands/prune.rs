use backup::catalogue;
use backup::retention::{self, Policy, PrunePlan, Pruned};
use backup::store::Store;
use chrono::{TimeDelta, Utc};
use clap::Args;
use database::SourceId;
use serde_json::{Value, json};

use crate::configuration::{Configuration, Flags};
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::notify::{Notifier, Told};
use crate::output;

/// `dbm prune`
#[derive(Debug, Args)]
#[command(
    after_help = "What any rule wants stays, and the rest goes; each database by itself, told by its source id. Never
goes: the newest good one, the newest that was read back, that was restored and compared, that has rows; what is
pinned, what dbm does not know, the last --min-keep good ones. Ages count from the newest archive that `dbm verify` has read back. It also sweeps what killed backups have left.

Examples:
  dbm prune --keep-last 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  dbm prune                                  with the rules of dbm.toml"
)]
pub(crate) struct Prune {
    #[command(flatten)]
    rules: Rules,
    /// Show what would stay and what would go, and why
    #[arg(long)]
    dry_run: bool,
    /// Write Prometheus metrics into this text file
    #[arg(long, value_name = "FILE")]
    metrics: Option<String>,
}

/// The rules of what stays, as flags.
#[derive(Debug, Default, Args)]
pub(crate) struct Rules {
    /// The newest so many
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// The newest of each of the last so many hours that have one
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// The same of days (UTC)
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// The same of weeks
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// The same of months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// The same of years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Everything younger than this: 36h, 30d, 1y
    #[arg(long, value_name = "TIME")]
    keep_within: Option<String>,
    /// Everything with this label; several with commas
    #[arg(long, value_name = "LABEL")]
    keep_tag: Option<String>,
    /// Never fewer good ones than this of a database
    #[arg(long, value_name = "N")]
    min_keep: Option<u32>,
}

impl Rules {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        for (name, value) in [
            ("keep_last", self.keep_last),
            ("keep_hourly", self.keep_hourly),
            ("keep_daily", self.keep_daily),
            ("keep_weekly", self.keep_weekly),
            ("keep_monthly", self.keep_monthly),
            ("keep_yearly", self.keep_yearly),
            ("min_keep", self.min_keep),
        ] {
            if let Some(value) = value {
                flags.insert(name, value.to_string());
            }
        }
        for (name, value) in [("keep_within", &self.keep_within), ("keep_tag", &self.keep_tag)] {
            if let Some(value) = value {
                flags.insert(name, value.clone());
            }
        }
    }
}

impl Prune {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        self.rules.add_flags(flags);
        if let Some(file) = &self.metrics {
            flags.insert("metrics", file.clone());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let policy = policy(&context.configuration)?;
        let stores = context.stores()?;
        if self.dry_run {
            let (mut documents, mut text) = (Vec::new(), String::new());
            for store in &stores {
                let plan = plan(&**store, &policy, None).await?;
                if stores.len() > 1 {
                    text.push_str(&format!("{}\n", store.describe()));
                }
                text.push_str(&lines(&plan));
                documents.push(json!({ "store": store.describe(), "dry_run": true, "plan": plan }));
            }
            context.output.answer(&answer("prune", documents), &text);
            return Ok(());
        }
        let notifier = Notifier::of_prune(context)?;
        let told = self.carry_out(context, &stores, &policy).await;
        notifier.end(told.as_ref()).await;
        told.map(drop)
    }

    async fn carry_out(&self, context: &Context, stores: &[Box<dyn Store>], policy: &Policy) -> Result<Told> {
        let described: Vec<_> = stores.iter().map(|store| store.describe()).collect();
        let audit = context.audit_of(&described.join(", "))?;
        audit.start();
        let done = all(context, stores, policy, None).await;
        let fields = done.as_ref().map_or_else(|_| json!({}), |all| json!({ "removed": all.removed() }));
        audit.finish(&done, fields);
        let all = done?;
        let document = answer("prune", all.documents());
        context.output.report(&document, &all.text());
        all.failed()?;
        Ok(Told::new(document))
    }
}

/// One document of several stores': of one store its own fields too.
fn answer(command: &str, stores: Vec<Value>) -> Value {
    let mut document = match stores.as_slice() {
        [one] => one.clone(),
        _ => json!({}),
    };
    document["command"] = json!(command);
    document["stores"] = json!(stores);
    document
}

/// What was pruned in each store.
pub(crate) struct AllPruned(Vec<(String, Pruned)>);

/// Prunes each store by itself: what one has lost, another's rules know nothing of.
pub(crate) async fn all(
    context: &Context,
    stores: &[Box<dyn Store>],
    policy: &Policy,
    of: Option<&[SourceId]>,
) -> Result<AllPruned> {
    let mut all = Vec::new();
    for store in stores {
        let plan = plan(&**store, policy, of).await?;
        all.push((store.describe(), retention::prune(&**store, &plan, &context.cancel).await?));
    }
    Ok(AllPruned(all))
}

impl AllPruned {
    /// What `--json` tells of each store.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let each = self.0.iter().map(|(store, pruned)| {
            let mut document = document(pruned);
            document["store"] = json!(store);
            document
        });
        each.collect()
    }

    /// What people are told.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(store, pruned)| text(pruned, store)).collect()
    }

    /// The names of what is gone.
    pub(crate) fn removed(&self) -> Vec<&String> {
        self.0.iter().flat_map(|(_, pruned)| &pruned.removed).collect()
    }

    /// What was to go and did not is a failure of the command.
    pub(crate) fn failed(&self) -> Result<()> {
        match self.0.iter().all(|(_, pruned)| pruned.failed.is_empty()) {
            true => Ok(()),
            false => Err(CommandError::reported(Meaning::Failed, "not everything could be removed")),
        }
    }
}

/// The policy that flags and `dbm.toml` make.
///
/// # Errors
/// `Usage` if it has no rule.
pub(crate) fn policy(configuration: &Configuration) -> Result<Policy> {
    let count = |name| -> Result<u32> { Ok(u32::try_from(configuration.number(name)?).unwrap_or(u32::MAX)) };
    let within = match configuration.given("keep_within") {
        Some(_) => {
            let time = configuration.duration("keep_within")?;
            Some(TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)).filter(|time| !time.is_zero())
        }
        None => None,
    };
    let tags = configuration.given("keep_tag").map_or("", |given| &given.value);
    let policy = Policy {
        last: count("keep_last")?,
        hourly: count("keep_hourly")?,
        daily: count("keep_daily")?,
        weekly: count("keep_weekly")?,
        monthly: count("keep_monthly")?,
        yearly: count("keep_yearly")?,
        within,
        tags: tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        min_keep: count("min_keep")?,
    };
    if policy.is_empty() {
        return Err(CommandError::usage("no rule says which archives to keep").hint(
            "give one, such as --keep-last 7 --keep-weekly 4, or set keep_last and its like in dbm.toml",
        ));
    }
    Ok(policy)
}

/// What is to become of each archive now.
async fn plan(store: &dyn Store, policy: &Policy, of: Option<&[SourceId]>) -> Result<PrunePlan> {
    Ok(retention::plan(&catalogue::list(store).await?, policy, of, Utc::now()))
}

fn lines(plan: &PrunePlan) -> String {
    let rows: Vec<Vec<String>> = plan
        .decisions
        .iter()
        .map(|decision| {
            let word = if decision.keep { "stays" } else { "goes" };
            vec![
                word.to_owned(),
                decision.file.clone(),
                output::bytes(decision.bytes),
                decision.reasons.join("; "),
            ]
        })
        .collect();
    if rows.is_empty() { "there is no archive\n".to_owned() } else { output::columns(&rows) }
}

/// What `--json` tells of it.
fn document(pruned: &Pruned) -> Value {
    let failed: Vec<_> =
        pruned.failed.iter().map(|(file, why)| json!({ "archive": file, "why": why })).collect();
    json!({
        "removed": pruned.removed,
        "freed": pruned.freed,
        "failed": failed,
        "left": pruned.left.iter().map(|backup| &backup.file).collect::<Vec<_>>(),
        "swept": pruned.swept,
    })
}

/// What people are told of it.
fn text(pruned: &Pruned, store: &str) -> String {
    let known = pruned.left.iter().filter(|backup| backup.source().is_some()).count();
    let others = match pruned.left.len() - known {
        0 => String::new(),
        others => format!(" and {}", output::plural(others as u64, "unknown file")),
    };
    let mut text = format!(
        "{} removed, {} freed; {}{others} left in {}\n",
        output::plural(pruned.removed.len() as u64, "archive"),
        output::bytes(pruned.freed),
        output::plural(known as u64, "archive"),
        store
    );
    for file in &pruned.removed {
        text.push_str(&format!("  removed {file}\n"));
    }
    for (file, why) in &pruned.failed {
        text.push_str(&format!("  still there: {file} ({why})\n"));
    }
    for file in &pruned.swept {
        text.push_str(&format!("  swept {file}, which a killed backup had left\n"));
    }
    text
}
