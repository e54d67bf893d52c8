//! Every setting there is, in one table: its key in `dbm.toml`, its environment variable, its kind and default.

/// What a value looks like in `dbm.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string that is a path, relative to where it was given.
    Path,
    /// A list of strings; in the environment with commas between.
    Texts,
    /// One store or a list of them; in the environment one a line, since a bucket's name may have commas in it.
    Stores,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Truth,
    /// A string such as `500ms`, `5s`, `2min`.
    Duration,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) shape: Shape,
    pub(crate) default: Option<&'static str>,
}

const fn key(name: &'static str, variable: &'static str, shape: Shape, default: Option<&'static str>) -> Key {
    Key { name, variable, shape, default }
}

/// All of them. `dbm.toml` in the checkout documents each; a test compares the two.
pub(crate) const KEYS: &[Key] = &[
    key("url", URL_VARIABLES[0], Shape::Text, None),
    key("url_file", "DBM_URL_FILE", Shape::Path, None),
    key("development", "DBM_DEVELOPMENT", Shape::Truth, Some("false")),
    key("store", "DBM_STORE", Shape::Stores, Some("backups")),
    key("require", "DBM_REQUIRE", Shape::Text, Some("all")),
    key("spool", "DBM_SPOOL", Shape::Path, Some("/var/tmp")),
    key("recipients", "DBM_RECIPIENTS", Shape::Text, None),
    key("recipients_file", "DBM_RECIPIENTS_FILE", Shape::Path, None),
    key("identity_file", "DBM_IDENTITY_FILE", Shape::Path, None),
    key("passphrase_file", "DBM_PASSPHRASE_FILE", Shape::Path, None),
    key("mac_key_file", "DBM_MAC_KEY_FILE", Shape::Path, None),
    key("migrations", "DBM_MIGRATIONS", Shape::Path, Some("migrations")),
    key("rollback", "DBM_ROLLBACK", Shape::Path, Some("rollback")),
    key("log_dir", "DBM_LOG_DIR", Shape::Path, Some("logs")),
    key("jobs", "DBM_JOBS", Shape::Number, Some("2")),
    key("role", "DBM_ROLE", Shape::Text, None),
    key("exclude_table", "DBM_EXCLUDE_TABLE", Shape::Texts, None),
    key("exclude_table_data", "DBM_EXCLUDE_TABLE_DATA", Shape::Texts, None),
    key("exclude_schema", "DBM_EXCLUDE_SCHEMA", Shape::Texts, None),
    key("name", "DBM_NAME", Shape::Text, Some("{database}_{time}_{label}")),
    key("level", "DBM_LEVEL", Shape::Number, Some("1")),
    key("keep_last", "DBM_KEEP_LAST", Shape::Number, Some("0")),
    key("keep_hourly", "DBM_KEEP_HOURLY", Shape::Number, Some("0")),
    key("keep_daily", "DBM_KEEP_DAILY", Shape::Number, Some("0")),
    key("keep_weekly", "DBM_KEEP_WEEKLY", Shape::Number, Some("0")),
    key("keep_monthly", "DBM_KEEP_MONTHLY", Shape::Number, Some("0")),
    key("keep_yearly", "DBM_KEEP_YEARLY", Shape::Number, Some("0")),
    key("keep_within", "DBM_KEEP_WITHIN", Shape::Duration, None),
    key("keep_tag", "DBM_KEEP_TAG", Shape::Text, None),
    key("min_keep", "DBM_MIN_KEEP", Shape::Number, Some("3")),
    key("max_age", "DBM_MAX_AGE", Shape::Duration, None),
    key("max_unproven", "DBM_MAX_UNPROVEN", Shape::Duration, None),
    key("metrics", "DBM_METRICS", Shape::Path, None),
    key("ping_url", "DBM_PING_URL", Shape::Text, None),
    key("ping_url_file", "DBM_PING_URL_FILE", Shape::Path, None),
    key("verify_ping_url", "DBM_VERIFY_PING_URL", Shape::Text, None),
    key("verify_ping_url_file", "DBM_VERIFY_PING_URL_FILE", Shape::Path, None),
    key("webhook_url", "DBM_WEBHOOK_URL", Shape::Text, None),
    key("webhook_url_file", "DBM_WEBHOOK_URL_FILE", Shape::Path, None),
    key("webhook_header_file", "DBM_WEBHOOK_HEADER_FILE", Shape::Path, None),
    key("notify_timeout", "DBM_NOTIFY_TIMEOUT", Shape::Duration, Some("10s")),
    key("hook_before", "DBM_HOOK_BEFORE", Shape::Text, None),
    key("hook_after", "DBM_HOOK_AFTER", Shape::Text, None),
    key("hook_timeout", "DBM_HOOK_TIMEOUT", Shape::Duration, Some("10min")),
    key("lock_wait", "DBM_LOCK_WAIT", Shape::Duration, Some("0s")),
    key("reconnect", "DBM_RECONNECT", Shape::Duration, Some("60s")),
    key("lock_timeout", "DBM_LOCK_TIMEOUT", Shape::Duration, Some("5s")),
    key("lock_retries", "DBM_LOCK_RETRIES", Shape::Number, Some("10")),
    key("fence", "DBM_FENCE", Shape::Truth, Some("false")),
    key("accept_lost_writes", "DBM_ACCEPT_LOST_WRITES", Shape::Truth, Some("false")),
    key("allow_drift", "DBM_ALLOW_DRIFT", Shape::Truth, Some("false")),
];

/// The URL's second variable, named as those of the other keys are.
pub(crate) const OWN_URL: &str = "DBM_URL";

/// What may hold the URL.
pub(crate) const URL_VARIABLES: [&str; 2] = ["DATABASE_URL", OWN_URL];

/// Environment variables that are read besides those of [`KEYS`].
pub(crate) const OTHER_VARIABLES: &[&str] =
    &[OWN_URL, "DBM_CONFIG", "DBM_PASSWORD", "DBM_PASSWORD_FILE", "DBM_PASSPHRASE"];

/// A line of `dbm.toml` that sets it, to its default where it has one.
pub(crate) fn example(key: &Key) -> String {
    let value = key.default.unwrap_or("…");
    match key.shape {
        Shape::Text | Shape::Path | Shape::Stores | Shape::Duration => format!("{} = \"{value}\"", key.name),
        Shape::Texts => format!("{} = [\"{value}\"]", key.name),
        Shape::Number | Shape::Truth => format!("{} = {value}", key.name),
    }
}

/// The setting of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known word that is nearest to an unknown one, if any is near enough to be meant.
pub(crate) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (distance(unknown, word), word))
        .filter(|(distance, word)| *distance <= word.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Levenshtein's distance between two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != *b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_only_if_it_is_near() {
        let known = || KEYS.iter().map(|key| key.name);
        assert_eq!(nearest("stor", known()), Some("store"));
        assert_eq!(nearest("lock-timeout", known()), Some("lock_timeout"));
        assert_eq!(nearest("colour", known()), None);
    }

    /// What of a file describes the keys that it does not set.
    fn described(file: &str) -> &str {
        let from = file.find("# A file that holds the URL instead").unwrap();
        let to = file.find("# ${name} in migrations").unwrap();
        &file[from..to]
    }

    #[test]
    fn the_checkout_and_init_document_every_key() {
        let checkout = include_str!("../../../../dbm.toml");
        let init = include_str!("../commands/init/dbm.toml");
        assert_eq!(described(checkout), described(init));
        for (file, name) in [(checkout, "the checkout's"), (init, "init's")] {
            for key in KEYS {
                let shown =
                    |line: &str| line.trim_start_matches("# ").starts_with(&format!("{} = ", key.name));
                assert!(file.lines().any(shown), "{} is not in {name} dbm.toml", key.name);
                assert!(file.contains(key.variable), "{} is not in {name} dbm.toml", key.variable);
            }
        }
    }
}
