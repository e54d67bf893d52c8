//! `logs/migration.log`: what an auditor reads. One JSON object a line, each written at once.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing_appender::rolling::RollingFileAppender;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

use crate::error::{CommandError, Result};
use crate::output::Output;
use crate::stop;

/// The file's name.
pub(crate) const NAME: &str = "migration.log";

/// Our own lines; other events of dbm's crates are logged as notes.
const TARGET: &str = "dbm::audit";

/// What stands in every line of one command.
#[derive(Clone)]
pub(crate) struct Audit {
    path: PathBuf,
    /// What tells this call from others, where no run is begun.
    call: String,
    since: Instant,
    failed: Arc<AtomicBool>,
    output: Output,
}

impl Audit {
    /// Opens the log, or says why a changing command must not start.
    pub(crate) fn open(folder: &Path, command: &str, database: &str, output: &Output) -> Result<Self> {
        let path = folder.join(NAME);
        let unwritable = |error: std::io::Error| {
            CommandError::failed(format!("the log `{}` cannot be written: {error}", path.display())).hint(
                "nothing was started: mend the folder's permissions, or name another with --log-dir FOLDER",
            )
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(unwritable)?;
        // The appender would make it readable for everybody.
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(unwritable)?;
        let appender = RollingFileAppender::builder()
            .rotation(tracing_appender::rolling::Rotation::NEVER)
            .filename_prefix(NAME)
            .build(folder)
            .map_err(|error| unwritable(std::io::Error::other(error)))?;
        let call = format!("{}-{}", Utc::now().format("%Y%m%dT%H%M%SZ"), std::process::id());
        let mut constant = Map::new();
        constant.insert("run".to_owned(), call.as_str().into());
        constant.insert("command".to_owned(), command.into());
        constant.insert("who".to_owned(), who().into());
        constant.insert("claims".to_owned(), claims().into());
        constant.insert("host".to_owned(), host().into());
        constant.insert("process".to_owned(), std::process::id().into());
        constant.insert("database".to_owned(), database.into());
        constant.insert("dbm".to_owned(), env!("CARGO_PKG_VERSION").into());
        let failed = Arc::<AtomicBool>::default();
        let audit =
            Self { path, call, since: Instant::now(), failed: Arc::clone(&failed), output: output.clone() };
        let lines = Lines { appender: Mutex::new(appender), constant, failed, output: output.clone() };
        // One command a process: a second one cannot be set, and none is asked for.
        let _second = tracing::subscriber::set_global_default(Registry::default().with(lines));
        Ok(audit)
    }

    /// Writes one line with these fields, besides time, who, host, database and command.
    pub(crate) fn record(&self, fields: &Value) {
        tracing::info!(target: TARGET, record = %fields);
    }

    /// The first line of a command.
    pub(crate) fn start(&self) {
        self.step("start", "before", json!({}));
    }

    /// One moment of a step, where a test may stop.
    pub(crate) fn step(&self, step: &str, moment: &str, mut fields: Value) {
        if let Value::Object(fields) = &mut fields {
            fields.insert("step".to_owned(), step.into());
            fields.insert("moment".to_owned(), moment.into());
        }
        self.record(&fields);
        stop::here(step, moment);
    }

    /// The last line of a command: how it ended, and after how long.
    pub(crate) fn finish<T>(&self, done: &Result<T>, fields: Value) {
        let mut fields = fields;
        if let Value::Object(fields) = &mut fields {
            let took = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            fields.insert("duration_ms".to_owned(), took.into());
            if let Err(error) = done {
                fields.insert("outcome".to_owned(), error.meaning.word().into());
                fields.insert("error".to_owned(), error.chain().join(": ").into());
            } else {
                fields.entry("outcome").or_insert_with(|| "done".into());
            }
        }
        self.step("finish", "after", fields);
        if let Some(path) = self.failure() {
            self.output
                .warn(&format!("lines are missing from the log {}: it could not be written", path.display()));
        }
    }

    /// The last line of a run.
    pub(crate) fn finish_run(&self, done: &Result<migrate::Report>) {
        let fields = match done {
            Ok(report) => {
                let archive =
                    report.backup.as_ref().or(report.restored.as_ref().map(|restored| &restored.archive));
                json!({
                    "run": report.run.as_ref().unwrap_or(&self.call),
                    "outcome": report.outcome,
                    "archive": archive.map(|archive| &archive.name),
                    "identity": archive.map(|archive| &archive.identity),
                    "migrations": report.migrations.iter().map(|migration| {
                        migration.label()
                    }).collect::<Vec<_>>(),
                    "restored": report.restored.as_ref().map(|restored| &restored.archive.name),
                    "replaced": report.restored.as_ref().and_then(|restored| restored.replaced.as_ref()),
                    "error": report.failure.as_ref().map(|failure| &failure.message),
                    "state": report.state,
                    "compared": report.compared,
                    "uncompared": report.uncompared,
                    "not_undone": Some(&report.not_undone).filter(|lines| !lines.is_empty()),
                })
            }
            Err(_) => json!({}),
        };
        self.finish(done, fields);
    }

    /// Where the log is, if a line could not be written after all.
    pub(crate) fn failure(&self) -> Option<&Path> {
        self.failed.load(Ordering::Relaxed).then_some(self.path.as_path())
    }
}

/// Who runs this: the account, as the system knows it.
pub(crate) fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    account(uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// Who the environment says it is, where that is somebody else: whom `sudo` stands in for, or what anybody may set.
fn claims() -> Option<String> {
    let who = who();
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty() && *value != who);
    ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable)
}

fn account(uid: u32) -> Option<String> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

/// The host's own name.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Turns events into lines.
struct Lines {
    appender: Mutex<RollingFileAppender>,
    constant: Map<String, Value>,
    failed: Arc<AtomicBool>,
    output: Output,
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let own = if metadata.target() == TARGET {
            let text = fields.0.get("record").and_then(Value::as_str).unwrap_or_default();
            serde_json::from_str(text).unwrap_or_default()
        } else if is_ours(metadata.target()) && *metadata.level() <= tracing::Level::INFO {
            json!({
                "step": "note",
                "level": metadata.level().as_str().to_lowercase(),
                "room": metadata.target(),
                "note": fields.0,
            })
        } else {
            return;
        };
        let mut line = Map::new();
        line.insert("time".to_owned(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        let constant = self.constant.iter().filter(|(_, value)| !value.is_null());
        line.extend(constant.map(|(name, value)| (name.clone(), value.clone())));
        if let Value::Object(own) = own {
            line.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
        }
        let mut text = self.output.scrub_values(&Value::Object(line)).to_string();
        text.push('\n');
        // One write: lines of several processes do not mix, and a crash leaves whole ones.
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        if appender.write_all(text.as_bytes()).and_then(|()| appender.flush()).is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

fn is_ours(target: &str) -> bool {
    let room = target.split("::").next().unwrap_or_default();
    ["helpers", "database", "backup", "migrate", "dbm"].contains(&room)
}

/// An event's fields as JSON.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
