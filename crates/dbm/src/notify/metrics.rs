//! Prometheus metrics as a text file, for node_exporter's collector of such files.
//!
//! What this command cannot know (the last backup, when it only verifies; the archives, when their store does not
//! answer) stays as the file had it, so that one file may serve all commands of a database.
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use backup::catalogue::Backup;
use backup::health::{self, Limits};
use chrono::{DateTime, Utc};

use crate::configuration::read_optional;
use crate::error::{CommandError, Result, io};

/// All there are, in the order of the file. What begins with `dbm_archive` is told by a store's listing.
const FAMILIES: &[(&str, &str)] = &[
    ("dbm_last_run_timestamp_seconds", "When the command last ended."),
    ("dbm_last_run_success", "Whether the command last did what it was to do: 1 or 0."),
    ("dbm_last_run_duration_seconds", "How long the command last took."),
    ("dbm_last_success_timestamp_seconds", "When the command last did what it was to do."),
    ("dbm_backup_bytes", "The size of the last backup as stored."),
    ("dbm_backup_rows", "The rows of all tables of the last backup."),
    ("dbm_backup_tables", "The tables with rows of the last backup."),
    ("dbm_archives", "Archives in a store, by state."),
    ("dbm_archives_bytes", "Their bytes, of all states."),
    ("dbm_archive_newest_timestamp_seconds", "When the newest good archive was begun."),
    ("dbm_archive_last_verified_timestamp_seconds", "When every byte of a good archive was last checked."),
    ("dbm_archive_last_proven_timestamp_seconds", "When a good archive was last restored and compared."),
    ("dbm_archive_last_proof_age_seconds", "How long before this file was written that was."),
];

/// Values by family and labels.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metrics(BTreeMap<(usize, String), f64>);

/// How a command went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran<'a> {
    pub(super) command: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) success: bool,
    pub(super) took: Duration,
    pub(super) at: DateTime<Utc>,
}

impl Metrics {
    /// Reads what an earlier command has written; what is none of ours is passed over.
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels));
            let family = FAMILIES.iter().position(|(family, _)| *family == name)?;
            Some(((family, labels.trim_end_matches('}').to_owned()), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn set(&mut self, family: &str, labels: &[(&str, &str)], value: f64) {
        let Some(place) = FAMILIES.iter().position(|(name, _)| *name == family) else { return };
        let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        self.0.insert((place, labels.join(",")), value);
    }

    /// Notes how a command went.
    pub(super) fn ran(&mut self, ran: &Ran<'_>) {
        let mut labels = vec![("command", ran.command)];
        labels.extend(ran.database.map(|database| ("database", database)));
        self.set("dbm_last_run_timestamp_seconds", &labels, seconds(ran.at));
        self.set("dbm_last_run_success", &labels, if ran.success { 1.0 } else { 0.0 });
        self.set("dbm_last_run_duration_seconds", &labels, ran.took.as_secs_f64());
        if ran.success {
            self.set("dbm_last_success_timestamp_seconds", &labels, seconds(ran.at));
        }
    }

    /// Notes what a backup holds.
    pub(super) fn backed_up(&mut self, database: &str, bytes: u64, rows: u64, tables: u64) {
        let labels = [("database", database)];
        for (family, value) in
            [("dbm_backup_bytes", bytes), ("dbm_backup_rows", rows), ("dbm_backup_tables", tables)]
        {
            self.set(family, &labels, float(value));
        }
    }

    /// Notes what a store has, in place of what was known of its archives before.
    pub(super) fn archives(&mut self, store: &str, all: &[Backup], now: DateTime<Utc>) {
        let own = format!("store=\"{}\"", store.replace('\\', "\\\\").replace('"', "\\\""));
        self.0.retain(|(family, labels), _| {
            !FAMILIES[*family].0.starts_with("dbm_archive") || !labels.starts_with(&own)
        });
        let unknown = all.iter().filter(|backup| backup.source().is_none());
        let (count, bytes) = unknown.fold((0, 0), |(count, bytes), backup| (count + 1, bytes + backup.bytes));
        self.set("dbm_archives", &[("store", store), ("state", "unknown")], float(count));
        self.set("dbm_archives_bytes", &[("store", store), ("state", "unknown")], float(bytes));
        let known = all.iter().filter_map(|backup| backup.sidecar.as_ref());
        let sources: BTreeSet<_> = known.map(|sidecar| (&sidecar.source, &sidecar.database)).collect();
        for (source, database) in sources {
            let ours: Vec<Backup> =
                all.iter().filter(|backup| backup.source() == Some(source)).cloned().collect();
            let health = health::examine(&ours, std::slice::from_ref(source), Limits::default(), now);
            let labels = [("store", store), ("database", database.as_str()), ("source", source.0.as_str())];
            for (state, count) in
                [("good", health.good), ("partial", health.partial), ("unfinished", health.unfinished)]
            {
                let labels = [labels.as_slice(), &[("state", state)]].concat();
                self.set("dbm_archives", &labels, float(count));
            }
            self.set("dbm_archives_bytes", &labels, float(health.bytes));
            let times = [
                ("dbm_archive_newest_timestamp_seconds", health.newest.as_ref().and_then(Backup::time)),
                ("dbm_archive_last_verified_timestamp_seconds", health.last_verified),
                ("dbm_archive_last_proven_timestamp_seconds", health.last_proven),
            ];
            for (family, time) in times {
                if let Some(time) = time {
                    self.set(family, &labels, seconds(time));
                }
            }
            if let Some(age) = health.unproven_seconds {
                self.set("dbm_archive_last_proof_age_seconds", &labels, float(age.unsigned_abs()));
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (place, (family, help)) in FAMILIES.iter().enumerate() {
            let mut series = self.0.iter().filter(|((of, _), _)| *of == place).peekable();
            if series.peek().is_none() {
                continue;
            }
            // Writing into a text does not fail.
            let _never = writeln!(text, "# HELP {family} {help}\n# TYPE {family} gauge");
            for ((_, labels), value) in series {
                let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
                let _never = writeln!(text, "{family}{labels} {value}");
            }
        }
        text
    }
}

/// Changes a file of metrics in one step: whoever reads it meanwhile sees the old one or the new one.
pub(super) fn update(path: &Path, change: impl FnOnce(&mut Metrics)) -> Result<()> {
    let mut metrics = Metrics::parse(&read_optional(path)?.unwrap_or_default());
    change(&mut metrics);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // node_exporter reads what ends with `.prom`, and runs as somebody else.
    let mut file = tempfile::Builder::new()
        .prefix(".dbm-metrics-")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(io("write the metrics in", folder))?;
    file.write_all(metrics.text().as_bytes())
        .and_then(|()| file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)))
        .and_then(|()| file.as_file().sync_all())
        .map_err(io("write the metrics for", path))?;
    file.persist(path).map(drop).map_err(|error| CommandError::from(error.error))
}

fn seconds(time: DateTime<Utc>) -> f64 {
    float(u64::try_from(time.timestamp()).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows nothing but floats; 2^53 bytes are 8 PiB")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_does_not_know_stays_and_the_file_is_never_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.prom");
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let ran = |command, success, seconds| Ran {
            command,
            database: Some("sh\"op\\\n"),
            success,
            took: Duration::from_millis(1500),
            at: at(seconds),
        };
        update(&path, |metrics| {
            metrics.ran(&ran("backup", true, 100));
            metrics.backed_up("sh\"op\\\n", 7, 8, 9);
        })
        .unwrap();
        update(&path, |metrics| metrics.ran(&ran("backup", false, 200))).unwrap();
        update(&path, |metrics| metrics.ran(&ran("verify", true, 300))).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let database = r#"database="sh\"op\\\n""#;
        for line in [
            format!("dbm_last_run_success{{command=\"backup\",{database}}} 0"),
            format!("dbm_last_run_duration_seconds{{command=\"backup\",{database}}} 1.5"),
            format!("dbm_last_success_timestamp_seconds{{command=\"backup\",{database}}} 100"),
            format!("dbm_last_success_timestamp_seconds{{command=\"verify\",{database}}} 300"),
            format!("dbm_backup_rows{{{database}}} 8"),
            "# TYPE dbm_backup_rows gauge".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
