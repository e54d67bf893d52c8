//! Telling others how a command went: a ping, a webhook, commands of the user's, metrics.
//!
//! None of it decides anything: what fails here is logged and warned of, and the command goes on. Addresses are
//! secrets: they come from the environment, `dbm.toml` or files, and appear nowhere.

mod hook;
mod metrics;
mod web;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use backup::catalogue;
use chrono::Utc;
use serde_json::{Value, json};

use crate::audit;
use crate::configuration::Configuration;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::output;

/// What a command that succeeded has to tell.
pub(crate) struct Told {
    /// Its document, as `--json` has it.
    pub(crate) document: Value,
    /// The database's name.
    pub(crate) database: Option<String>,
    /// Why those who watch should not be content with it all the same.
    pub(crate) unwell: Option<&'static str>,
}

impl Told {
    /// What a command has to tell that did what it was to do.
    pub(crate) fn new(document: Value) -> Self {
        Self { document, database: None, unwell: None }
    }
}

/// Where a command's beginning and end are told.
pub(crate) struct Notifier<'a> {
    context: &'a Context,
    /// The database's name, as far as it is known before.
    database: Option<String>,
    ping: Option<String>,
    webhook: Option<String>,
    headers: Vec<(String, String)>,
    before: Option<String>,
    after: Option<String>,
    metrics: Option<PathBuf>,
    patience: Duration,
    hook_patience: Duration,
    since: Instant,
}

impl<'a> Notifier<'a> {
    /// Of `backup`: all that is configured.
    pub(crate) fn of_backup(context: &'a Context, database: Option<String>) -> Result<Self> {
        let mut notifier = Self::new(context, database)?;
        notifier.ping = notifier.secret("ping_url");
        notifier.before = text(&context.configuration, "hook_before");
        notifier.after = text(&context.configuration, "hook_after");
        Ok(notifier)
    }

    /// Of `verify`: a ping of their own, so that no check of the backups is content with them.
    pub(crate) fn of_verify(context: &'a Context) -> Result<Self> {
        let mut notifier = Self::new(context, None)?;
        notifier.ping = notifier.secret("verify_ping_url");
        Ok(notifier)
    }

    /// Of `prune`: it has no ping of its own.
    pub(crate) fn of_prune(context: &'a Context) -> Result<Self> {
        Self::new(context, None)
    }

    fn new(context: &'a Context, database: Option<String>) -> Result<Self> {
        let configuration = &context.configuration;
        let mut notifier = Self {
            context,
            database,
            ping: None,
            webhook: None,
            headers: Vec::new(),
            before: None,
            after: None,
            metrics: configuration.given("metrics").map(|_| configuration.path("metrics")),
            patience: configuration.duration("notify_timeout")?,
            hook_patience: configuration.duration("hook_timeout")?,
            since: Instant::now(),
        };
        notifier.webhook = notifier.secret("webhook_url");
        if let Some(lines) = notifier.secret_of_file("webhook_header_file") {
            for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                match line.split_once(':') {
                    Some((name, value)) => {
                        context.output.hide(&[value.trim().to_owned()]);
                        notifier.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                    }
                    None => notifier.failed("webhook", "a line of webhook_header_file is not `Name: value`"),
                }
            }
        }
        Ok(notifier)
    }

    /// Before the work begins, and after its log was opened.
    pub(crate) async fn begin(&self) {
        if let Some(url) = &self.ping {
            self.ping(url, "/start", "").await;
        }
        if let Some(command) = &self.before {
            let body = self.body("before", &json!({}));
            let variables = self.variables("before");
            if let Err(why) = hook::run(command, &variables, &body, self.hook_patience).await {
                self.failed("hook_before", &why);
            }
        }
    }

    /// When the work has ended, however it did.
    pub(crate) async fn end(&self, done: Result<&Told, &CommandError>) {
        self.write_metrics(done.ok()).await;
        let (event, what) = match done {
            Ok(Told { document, unwell: Some(why), .. }) => {
                ("failure", json!({ "result": document, "error": { "message": why } }))
            }
            Ok(told) => ("success", json!({ "result": told.document })),
            Err(error) => ("failure", json!({ "error": error.json() })),
        };
        let body = self.body(event, &what);
        if let Some(url) = &self.ping {
            match done {
                Ok(Told { unwell: Some(why), .. }) => self.ping(url, "/fail", why).await,
                Ok(_) => self.ping(url, "", "").await,
                Err(error) => {
                    self.ping(url, "/fail", &self.context.output.scrub(&error.lines().join("\n"))).await;
                }
            }
        }
        if let Some(url) = &self.webhook {
            let sent = web::post(url, "application/json", &self.headers, &body, self.patience).await;
            sent.unwrap_or_else(|why| self.failed("webhook", &why));
        }
        if let Some(command) = &self.after {
            let mut variables = self.variables(event);
            match done {
                Ok(told) => {
                    let archive = told.document["archive"].as_str().unwrap_or_default();
                    variables.push(("DBM_ARCHIVE", archive.to_owned()));
                    variables.extend(told.unwell.map(|why| ("DBM_ERROR", why.to_owned())));
                }
                Err(error) => {
                    let error = self.context.output.scrub(&error.chain().join(": "));
                    variables.push(("DBM_ERROR", error));
                }
            }
            if let Err(why) = hook::run(command, &variables, &body, self.hook_patience).await {
                self.failed("hook_after", &why);
            }
        }
    }

    /// The convention of healthchecks.io: `URL/start`, `URL`, `URL/fail`.
    async fn ping(&self, url: &str, event: &str, body: &str) {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let url = format!("{}{event}{query}", path.trim_end_matches('/'));
        let sent = web::post(&url, "text/plain; charset=utf-8", &[], body, self.patience).await;
        sent.unwrap_or_else(|why| self.failed("ping", &why));
    }

    fn body(&self, event: &str, what: &Value) -> String {
        let mut body = json!({
            "event": event,
            "command": self.context.command,
            "database": self.database,
            "host": audit::host(),
            "time": output::moment(Utc::now()),
            "duration_ms": u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            "dbm": env!("CARGO_PKG_VERSION"),
        });
        if let (Value::Object(body), Value::Object(what)) = (&mut body, what) {
            body.extend(what.clone());
        }
        self.context.output.scrub_values(&body).to_string()
    }

    fn variables(&self, event: &str) -> Vec<(&'static str, String)> {
        vec![
            ("DBM_EVENT", event.to_owned()),
            ("DBM_COMMAND", self.context.command.to_owned()),
            ("DBM_DATABASE", self.database.clone().unwrap_or_default()),
        ]
    }

    async fn write_metrics(&self, told: Option<&Told>) {
        let Some(path) = &self.metrics else { return };
        let now = Utc::now();
        let mut listed = Vec::new();
        match self.context.stores() {
            Ok(stores) => {
                for store in stores {
                    match catalogue::list(&*store).await {
                        Ok(all) => listed.push((store.describe(), all)),
                        Err(error) => self.failed("metrics", &error.to_string()),
                    }
                }
            }
            Err(error) => self.failed("metrics", &error.chain().join(": ")),
        }
        let database = told.and_then(|told| told.database.as_deref()).or(self.database.as_deref());
        let written = metrics::update(path, |metrics| {
            metrics.ran(&metrics::Ran {
                command: self.context.command,
                database,
                success: told.is_some_and(|told| told.unwell.is_none()),
                took: self.since.elapsed(),
                at: now,
            });
            if let Some(told) = told.filter(|_| self.context.command == "backup") {
                let number = |name| told.document[name].as_u64().unwrap_or(0);
                metrics.backed_up(
                    database.unwrap_or_default(),
                    number("bytes"),
                    number("rows"),
                    number("tables"),
                );
            }
            for (store, all) in &listed {
                metrics.archives(store, all, now);
            }
        });
        if let Err(error) = written {
            self.failed("metrics", &error.chain().join(": "));
        }
    }

    /// A secret of the configuration, or of the file that `NAME_file` names.
    fn secret(&self, name: &'static str) -> Option<String> {
        let given = text(&self.context.configuration, name);
        let found = given.or_else(|| self.secret_of_file(&format!("{name}_file")))?;
        let found = found.trim().to_owned();
        // What comes after the host is what nobody may know.
        let place = found.split_once("://").map_or(found.as_str(), |(_, place)| place);
        let tail = place.split_once('/').map_or("", |(_, tail)| tail);
        self.context.output.hide(&[found.clone(), tail.to_owned()]);
        Some(found).filter(|found| !found.is_empty())
    }

    fn secret_of_file(&self, name: &str) -> Option<String> {
        let configuration = &self.context.configuration;
        configuration.given(name)?;
        let path = configuration.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.failed(name, &format!("cannot read `{}`: {error}", path.display()));
                None
            }
        }
    }

    fn failed(&self, what: &str, why: &str) {
        let why = self.context.output.scrub(why);
        tracing::warn!(what, why, "could not notify");
        self.context.output.warn(&format!("{what}: {why}; the {} went on", self.context.command));
    }
}

fn text(configuration: &Configuration, name: &str) -> Option<String> {
    configuration.given(name).map(|given| given.value.clone())
}
