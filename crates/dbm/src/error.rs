use std::error::Error as StdError;
use std::fmt;

use serde_json::{Value, json};

/// What a verb returns.
pub(crate) type Result<T, E = CommandError> = std::result::Result<T, E>;

/// What a failure means to the shell: one exit code each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It failed and nothing was changed.
    Failed,
    /// The command line, the configuration or a file that it names cannot be used.
    Usage,
    /// The migration failed; the database was put back and that was proven.
    PutBack,
    /// The database needs a person.
    NeedsPerson,
    /// `check` or `status --exit-code` found something.
    Found,
    /// Some of what was asked for is done and stays, and some has failed.
    Partly,
    /// Another run holds the lock.
    Locked,
}

impl Meaning {
    /// The exit code, which scripts rely on.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::PutBack => 3,
            Self::NeedsPerson => 4,
            Self::Found => 5,
            Self::Partly => 6,
            Self::Locked => 75,
        }
    }

    /// The word in `--json` and in the audit log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::PutBack => "put back",
            Self::NeedsPerson => "needs a person",
            Self::Found => "found",
            Self::Partly => "partly",
            Self::Locked => "locked",
        }
    }
}

/// A failure of a command: what it means, what went wrong with its causes, and what to type next.
pub(crate) struct CommandError {
    pub(crate) meaning: Meaning,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
    pub(crate) hints: Vec<String>,
    /// The report was printed already; only the exit code is left to give.
    pub(crate) reported: bool,
}

impl CommandError {
    pub(crate) fn new(meaning: Meaning, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { meaning, source: source.into(), hints: Vec::new(), reported: false }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Meaning::Usage, message.into())
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Meaning::Failed, message.into())
    }

    /// An end whose report is on the screen already.
    pub(crate) fn reported(meaning: Meaning, message: impl Into<String>) -> Self {
        Self { reported: true, ..Self::new(meaning, message.into()) }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The message and its causes, each once.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut texts = vec![self.source.to_string()];
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !texts.iter().any(|known| known.contains(&text)) {
                texts.push(text);
            }
            cause = error.source();
        }
        texts
    }

    /// The lines for people: `error:`, causes, hints.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut chain = self.chain().into_iter();
        let first = chain.next().unwrap_or_default();
        let mut lines = vec![format!("error: {first}")];
        lines.extend(chain.map(|cause| format!("  because: {cause}")));
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }

    /// The `error` object of `--json`.
    pub(crate) fn json(&self) -> Value {
        let chain = self.chain();
        json!({
            "meaning": self.meaning.word(),
            "exit_code": self.meaning.exit_code(),
            "message": chain[0],
            "causes": chain[1..],
            "hints": self.hints,
        })
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl From<database::Error> for CommandError {
    fn from(error: database::Error) -> Self {
        backup::Error::from(error).into()
    }
}

impl From<backup::Error> for CommandError {
    fn from(error: backup::Error) -> Self {
        use backup::ErrorKind as Kind;
        let meaning = match error.kind() {
            Kind::Usage => Meaning::Usage,
            Kind::Busy => Meaning::Locked,
            _ => Meaning::Failed,
        };
        let hints = error.hint().map(str::to_owned).into_iter().collect();
        Self { meaning, source: Box::new(error), hints, reported: false }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new(Meaning::Failed, error)
    }
}

/// Says on what a failing file operation was.
pub(crate) fn io<'a>(
    doing: &'a str,
    path: &'a std::path::Path,
) -> impl FnOnce(std::io::Error) -> CommandError + 'a {
    move |error| CommandError::failed(format!("cannot {doing} `{}`: {error}", path.display()))
}
