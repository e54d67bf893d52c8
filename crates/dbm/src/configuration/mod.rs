//! What the user wants: flags, then the environment, then `.env`, then `dbm.toml`, then defaults.

mod dotenv;
mod file;
mod keys;
mod placeholders;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backup::store::{Require, S3Credentials, StoreSettings};
use chrono::TimeDelta;

pub(crate) use file::NAME as FILE_NAME;
pub(crate) use keys::URL_VARIABLES;
pub(crate) use placeholders::Placeholders;

use crate::error::{CommandError, Result, io};
use keys::{KEYS, Shape};

/// Where a value was given, for messages and for what relative paths are relative to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    DotEnv(PathBuf),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    /// For people: where a value was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the command line"),
            Self::Environment => f.write_str("the environment"),
            Self::DotEnv(path) | Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("no place"),
        }
    }
}

/// A value and where it was given.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Flags by key; those that were not given are missing.
pub(crate) type Flags = BTreeMap<&'static str, String>;

/// The environment, with what `.env` adds to it.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    process: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
    dotenv_path: PathBuf,
}

impl Environment {
    /// The process's own variables. Those that are no UTF-8 are none of ours.
    pub(crate) fn of_process() -> Self {
        let process = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { process: process.collect(), ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let process = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { process: process.collect(), ..Self::default() }
    }

    /// Whether a variable is there and says nothing.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.get(name).is_none() && (self.process.contains_key(name) || self.dotenv.contains_key(name))
    }

    /// A variable; an empty one is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).map(|(value, _)| value)
    }

    fn given(&self, name: &str) -> Option<(&str, Origin)> {
        let filled = |value: &&String| !value.is_empty();
        if let Some(value) = self.process.get(name).filter(filled) {
            return Some((value, Origin::Environment));
        }
        let value = self.dotenv.get(name).filter(filled)?;
        Some((value, Origin::DotEnv(self.dotenv_path.clone())))
    }

    /// A key's variable. The URL's has the name that every tool reads, and ours: two answers are none.
    fn of_key(&self, key: &keys::Key) -> Result<Option<(&str, Origin)>> {
        let given = self.given(key.variable);
        if key.name != "url" {
            return Ok(given);
        }
        match (given, self.given(keys::OWN_URL)) {
            (Some((one, origin)), Some((other, own_origin))) if origin == own_origin && one != other => {
                let names = format!("{} and {} name two databases", key.variable, keys::OWN_URL);
                Err(CommandError::usage(names).hint("unset one of them, or give --url"))
            }
            // The environment goes before `.env`, whatever the name.
            (Some((_, Origin::DotEnv(_))), Some((own, Origin::Environment))) => {
                Ok(Some((own, Origin::Environment)))
            }
            (given, own) => Ok(given.or(own)),
        }
    }
}

/// Everything that was configured, each value with its origin.
pub(crate) struct Configuration {
    /// The `dbm.toml` that was found.
    pub(crate) file: Option<PathBuf>,
    /// The folder of that file, else the current one.
    pub(crate) root: PathBuf,
    pub(crate) placeholders: Placeholders,
    pub(crate) environment: Environment,
    /// What deserves a warning but stops nothing.
    pub(crate) warnings: Vec<String>,
    current: PathBuf,
    values: BTreeMap<&'static str, Given>,
    /// `[s3]` of the file.
    s3: BTreeMap<String, String>,
}

impl Configuration {
    /// Reads the files and lays flags and environment over them.
    pub(crate) fn read(
        flags: Flags,
        config: Option<&Path>,
        mut environment: Environment,
        current: &Path,
    ) -> Result<Self> {
        let named = config.map(Path::to_owned).or_else(|| environment.get("DBM_CONFIG").map(PathBuf::from));
        let file = match named {
            Some(path) => Some(current.join(path)),
            None => file::find(current),
        };
        let root = file.as_deref().and_then(Path::parent).unwrap_or(current).to_owned();
        let dotenv = root.join(".env");
        if let Some(text) = read_optional(&dotenv)? {
            environment.dotenv = dotenv::parse(&text).map_err(|error| {
                CommandError::usage(format!("`{}` cannot be read: {error}", dotenv.display()))
                    .hint("each line is NAME=value; quote a value that holds blanks or `#`")
            })?;
            environment.dotenv_path = dotenv;
        }
        let (text, path) = match &file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let error = CommandError {
                        meaning: crate::error::Meaning::Usage,
                        ..io("read the configuration", path)(error)
                    };
                    error.hint("`dbm init` makes a dbm.toml; without --config (or DBM_CONFIG) the nearest one upwards is read")
                })?;
                (text, path.clone())
            }
            None => (String::new(), PathBuf::new()),
        };
        let read = file::parse(&path, &text)?;
        let warnings = misspelt(&environment);
        let mut values = BTreeMap::new();
        for key in KEYS {
            let flag = flags.get(key.name).map(|value| (value.clone(), Origin::Flag));
            let variable = match &flag {
                Some(_) => None,
                // It names the database as well.
                None if key.name == "url" && flags.contains_key("url_file") => None,
                None => environment.of_key(key)?.map(|(value, origin)| (value.to_owned(), origin)),
            };
            let in_file =
                || read.values.get(key.name).map(|value| (value.clone(), Origin::File(path.clone())));
            let default = || key.default.map(|value| (value.to_owned(), Origin::Default));
            if let Some((value, origin)) = flag.or(variable).or_else(in_file).or_else(default) {
                values.insert(key.name, Given { value, origin });
            }
        }
        let current = current.to_owned();
        let configuration = Self {
            file,
            root,
            placeholders: read.placeholders,
            environment,
            warnings,
            current,
            values,
            s3: read.s3,
        };
        configuration.check_shapes()?;
        Ok(configuration)
    }

    /// Nothing but the defaults.
    pub(crate) fn none(current: &Path) -> Self {
        let mut configuration = Self {
            file: None,
            root: current.to_owned(),
            placeholders: Placeholders::default(),
            environment: Environment::of_process(),
            warnings: Vec::new(),
            current: current.to_owned(),
            values: BTreeMap::new(),
            s3: BTreeMap::new(),
        };
        for key in KEYS {
            if let Some(value) = key.default {
                configuration
                    .values
                    .insert(key.name, Given { value: value.to_owned(), origin: Origin::Default });
            }
        }
        configuration
    }

    /// A value as it was given.
    pub(crate) fn given(&self, name: &str) -> Option<&Given> {
        self.values.get(name)
    }

    /// A path, relative to where it was given.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let Some(given) = self.given(name) else { return self.root.clone() };
        self.folder_of(&given.origin).join(&given.value)
    }

    /// The folder that relative paths of an origin are relative to.
    pub(crate) fn folder_of<'a>(&'a self, origin: &'a Origin) -> &'a Path {
        match origin {
            Origin::Flag | Origin::Environment => &self.current,
            Origin::DotEnv(path) | Origin::File(path) => path.parent().unwrap_or(&self.current),
            Origin::Default => &self.root,
        }
    }

    /// Where archives live, each a folder, or a URL such as `s3://` as given; the first is read from first.
    pub(crate) fn store_names(&self) -> Vec<String> {
        let Some(given) = self.given("store") else { return Vec::new() };
        let folder = self.folder_of(&given.origin);
        let name = |name: &str| match name.contains("://") {
            true => name.to_owned(),
            false => folder.join(name).to_string_lossy().into_owned(),
        };
        given.value.lines().map(str::trim).filter(|name| !name.is_empty()).map(name).collect()
    }

    /// How many of several stores must have a backup.
    pub(crate) fn require(&self) -> Result<Require> {
        let given = self.required("require")?;
        match given.value.as_str() {
            "all" => Ok(Require::All),
            "any" => Ok(Require::Any),
            _ => Err(self.wrong("require", given, "all or any")),
        }
    }

    /// A length of time that need not be set.
    pub(crate) fn limit(&self, name: &str) -> Result<Option<TimeDelta>> {
        match self.given(name) {
            None => Ok(None),
            Some(_) => Ok(Some(TimeDelta::from_std(self.duration(name)?).unwrap_or(TimeDelta::MAX))),
        }
    }

    /// A list of texts; empty where none is set.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let Some(given) = self.given(name) else { return Vec::new() };
        let between = if matches!(given.origin, Origin::File(_)) { '\n' } else { ',' };
        let texts = given.value.split(between).map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }

    /// What is set for stores besides their names.
    ///
    /// The SDK reads the process's variables itself; those of a `.env` file it does not know.
    pub(crate) fn stores(&self) -> StoreSettings {
        let text = |name| self.environment.get(name).map(str::to_owned);
        let s3_credentials = match (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY")) {
            (Some(key), Some(secret)) => {
                Some(S3Credentials { key, secret, token: text("AWS_SESSION_TOKEN") })
            }
            _ => None,
        };
        let mut s3 = self.s3.clone();
        for (option, variables) in [
            ("endpoint", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
            ("profile", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
            ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"]),
        ] {
            if !s3.contains_key(option)
                && let Some(value) = variables.into_iter().find_map(text)
            {
                s3.insert(option.to_owned(), value);
            }
        }
        // Keys that stand in variables win over a profile, as with Amazon's own tools.
        StoreSettings { s3, s3_credentials, spool: Some(self.path("spool")), ..StoreSettings::default() }
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64> {
        let given = self.required(name)?;
        given.value.parse().map_err(|_| self.wrong(name, given, "a whole number"))
    }

    pub(crate) fn truth(&self, name: &str) -> Result<bool> {
        let given = self.required(name)?;
        match given.value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.wrong(name, given, "true or false")),
        }
    }

    pub(crate) fn duration(&self, name: &str) -> Result<Duration> {
        let given = self.required(name)?;
        duration(&given.value).ok_or_else(|| self.wrong(name, given, "a duration such as 500ms, 5s or 2min"))
    }

    /// Who may write during a run: `--fence` and `--accept-lost-writes` exclude each other, and the
    /// one that was given nearer to the command line wins.
    pub(crate) fn writers(&self) -> Result<Writers> {
        let (fence, accept) = (self.truth("fence")?, self.truth("accept_lost_writes")?);
        let rank = |name| match self.given(name).map(|given| &given.origin) {
            Some(Origin::Flag) => 0,
            Some(Origin::Environment) => 1,
            Some(Origin::DotEnv(_)) => 2,
            Some(Origin::File(_)) => 3,
            _ => 4,
        };
        match (fence, accept) {
            (false, false) => Ok(Writers::Undecided),
            (true, false) => Ok(Writers::Fence),
            (false, true) => Ok(Writers::AcceptLost),
            (true, true) if rank("fence") < rank("accept_lost_writes") => Ok(Writers::Fence),
            (true, true) if rank("fence") > rank("accept_lost_writes") => Ok(Writers::AcceptLost),
            (true, true) => Err(CommandError::usage("`fence` and `accept_lost_writes` are both wanted")
                .hint("a fence keeps writers out, so that no write is lost: choose one of them")),
        }
    }

    fn required(&self, name: &str) -> Result<&Given> {
        self.given(name).ok_or_else(|| CommandError::usage(format!("`{name}` is not set")))
    }

    /// Every value must be usable even if the command at hand does not use it: nobody learns of a
    /// broken setting in the night when it is first needed.
    fn check_shapes(&self) -> Result<()> {
        for key in KEYS.iter().filter(|key| self.values.contains_key(key.name)) {
            match key.shape {
                Shape::Text | Shape::Texts => {}
                Shape::Path | Shape::Stores => {
                    // An empty one would be the current folder, which nobody means.
                    if let Some(given) = self.given(key.name).filter(|given| given.value.trim().is_empty()) {
                        return Err(self.wrong(key.name, given, "the name of a file or folder"));
                    }
                }
                Shape::Number => {
                    let number = self.number(key.name)?;
                    let most = match key.name {
                        "jobs" => 64,
                        "level" => 19,
                        _ => continue,
                    };
                    if let Some(given) = self.given(key.name)
                        && !(1..=most).contains(&number)
                    {
                        return Err(self.wrong(key.name, given, &format!("a number from 1 to {most}")));
                    }
                }
                Shape::Truth => drop(self.truth(key.name)?),
                Shape::Duration => drop(self.duration(key.name)?),
            }
        }
        self.require().map(drop)
    }

    fn wrong(&self, name: &str, given: &Given, wanted: &str) -> CommandError {
        let key = keys::find(name);
        let (flag, variable) = (flag(name), key.map_or(name, |key| key.variable));
        let example = key.and_then(|key| key.default).unwrap_or("…");
        let hint = match &given.origin {
            Origin::Flag => format!("write {flag} {example}, for example"),
            Origin::Environment | Origin::DotEnv(_) => format!("write {variable}={example}, for example"),
            _ => key.map_or_else(String::new, |key| format!("write {}, for example", keys::example(key))),
        };
        let place = match &given.origin {
            Origin::Flag => flag,
            Origin::Environment => variable.to_owned(),
            Origin::DotEnv(path) | Origin::File(path) => format!("`{name}` in `{}`", path.display()),
            Origin::Default => format!("`{name}`"),
        };
        CommandError::usage(format!("{place} is `{}`, not {wanted}", given.value)).hint(hint)
    }
}

/// The flag that gives a setting.
fn flag(name: &str) -> String {
    match name {
        "rollback" => "--rollback-folder".to_owned(),
        // One flag for both waits.
        "lock_wait" => "--lock-timeout".to_owned(),
        _ => format!("--{}", name.replace('_', "-")),
    }
}

/// Who may write to the database during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Undecided,
    Fence,
    AcceptLost,
}

impl fmt::Debug for Given {
    /// Without the value, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({:?})", self.origin)
    }
}

/// Reads `500ms`, `5s`, `2min`, `1h`, `7d`, `4w`, `1y`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        "w" => number.checked_mul(7 * 86_400).map(Duration::from_secs),
        "y" => number.checked_mul(365 * 86_400).map(Duration::from_secs),
        _ => None,
    }
}

/// `DBM_…` variables that nobody reads but whose name is nearly one that is read.
fn misspelt(environment: &Environment) -> Vec<String> {
    let known: Vec<&str> =
        KEYS.iter().map(|key| key.variable).chain(keys::OTHER_VARIABLES.iter().copied()).collect();
    let names = environment.process.keys().chain(environment.dotenv.keys());
    names
        .filter(|name| name.starts_with("DBM_") && !name.starts_with("DBM_TEST_"))
        .filter(|name| !known.contains(&name.as_str()))
        .filter_map(|name| {
            let near = keys::nearest(name, known.iter().copied())?;
            Some(format!("the environment variable {name} is not read; did you mean {near}?"))
        })
        .collect()
}

pub(crate) fn read_optional(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError { meaning: crate::error::Meaning::Usage, ..io("read", path)(error) }),
    }
}

#[cfg(test)]
mod tests;
