//! `dbm.toml`: found upwards from the current folder, with no key that dbm does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use backup::store::S3_OPTIONS;
use toml::{Table, Value};

use super::keys::{self, Shape};
use super::placeholders::Placeholders;
use crate::error::{CommandError, Result};

/// The file's name.
pub(crate) const NAME: &str = "dbm.toml";

/// What a `dbm.toml` says.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// By key, as text.
    pub(crate) values: BTreeMap<&'static str, String>,
    pub(crate) placeholders: Placeholders,
    /// The options of stores on S3.
    pub(crate) s3: BTreeMap<String, String>,
}

/// The nearest `dbm.toml` in `folder` or above it.
pub(crate) fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

/// Reads a file's text; `path` is for the messages.
pub(crate) fn parse(path: &Path, text: &str) -> Result<File> {
    let wrong = |message: String| CommandError::usage(format!("{message} in `{}`", path.display()));
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The parser's own rendering quotes the line, and the line may be the URL.
        let at = error.span().map_or(String::new(), |span| {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line} of ")
        });
        CommandError::usage(format!("{at}`{}` is not TOML: {}", path.display(), error.message()))
            .hint("text stands in quotes: store = \"backups\"")
    })?;
    let mut file = File::default();
    for (name, value) in table {
        if name == "placeholders" {
            file.placeholders = Placeholders::parse(value).map_err(wrong)?;
            continue;
        }
        if name == "s3" {
            file.s3 = s3(value).map_err(wrong)?;
            continue;
        }
        let Some(key) = keys::find(&name) else {
            let known = keys::KEYS.iter().map(|key| key.name).chain(["placeholders", "s3"]);
            let error = wrong(format!("unknown key `{name}`"));
            return Err(match keys::nearest(&name, known.clone()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("known keys: {}", known.collect::<Vec<_>>().join(", "))),
            });
        };
        let text = match (key.shape, value) {
            (Shape::Text | Shape::Path | Shape::Stores | Shape::Duration, Value::String(text)) => text,
            (Shape::Texts | Shape::Stores, Value::Array(all)) if all.iter().all(Value::is_str) => {
                all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            (Shape::Number, Value::Integer(number)) => number.to_string(),
            (Shape::Truth, Value::Boolean(truth)) => truth.to_string(),
            (shape, value) => {
                let what =
                    format!("`{name}` in `{}` is {}, not {}", path.display(), kind(&value), wanted(shape));
                return Err(CommandError::usage(what).hint(format!("write {}", keys::example(key))));
            }
        };
        file.values.insert(key.name, text);
    }
    Ok(file)
}

/// `[s3]`: the options that a store's URL may have as well.
fn s3(value: Value) -> std::result::Result<BTreeMap<String, String>, String> {
    let Value::Table(table) = value else { return Err(format!("`s3` is {}, not a table", kind(&value))) };
    let mut options = BTreeMap::new();
    for (name, value) in table {
        if !S3_OPTIONS.contains(&name.as_str()) {
            return Err(match keys::nearest(&name, S3_OPTIONS.iter().copied()) {
                Some(near) => format!("unknown key `{name}` (did you mean `{near}`?) under [s3]"),
                None => format!("unknown key `{name}` under [s3]"),
            });
        }
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            value => return Err(format!("`{name}` under [s3] is {}, not text in quotes", kind(&value))),
        };
        options.insert(name, text);
    }
    Ok(options)
}

fn wanted(shape: Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Path => "text in quotes",
        Shape::Texts => "a list of texts in quotes",
        Shape::Stores => "text in quotes or a list of such",
        Shape::Number => "a whole number",
        Shape::Truth => "true or false",
        Shape::Duration => "a duration in quotes",
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        format!("{:?}", parse(Path::new("dbm.toml"), text).unwrap_err())
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest() {
        assert_eq!(
            refusal("stor = \"x\""),
            "error: unknown key `stor` in `dbm.toml`\nhint: did you mean `store`?"
        );
        let unlike_any = refusal("[section]\nx = 1");
        for key in keys::KEYS {
            assert!(unlike_any.contains(key.name), "{unlike_any} names no {}", key.name);
        }
    }

    #[test]
    fn a_value_of_another_shape_is_an_error() {
        assert_eq!(
            refusal("jobs = \"2\""),
            "error: `jobs` in `dbm.toml` is text, not a whole number\nhint: write jobs = 2"
        );
        assert_eq!(
            refusal("store = 2"),
            "error: `store` in `dbm.toml` is a whole number, not text in quotes or a list of such\nhint: write store = \"backups\""
        );
        assert_eq!(
            refusal("lock_wait = 5"),
            "error: `lock_wait` in `dbm.toml` is a whole number, not a duration in quotes\nhint: write lock_wait = \"0s\""
        );
    }

    #[test]
    fn a_broken_file_is_named_without_its_text() {
        let refusal = refusal("jobs = 1\nurl = postgres://me:hunter2@host/db");
        assert!(refusal.starts_with("error: line 2 of `dbm.toml` is not TOML"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
