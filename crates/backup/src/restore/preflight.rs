use crate::{Error, ErrorKind, Result};
use database::{OtherSession, SourceId};
use serde::Serialize;

/// How a restore takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Into a new database (or file) beside the target, proven, then exchanged for it.
    Beside,
    /// In the target itself, in one transaction (on MySQL by one exchange of tables), after a verified backup of what is
    /// there.
    InPlace,
}

/// Whether the target holds anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetState {
    /// No object of anybody's is in it.
    Empty,
    /// There is something in it.
    Filled,
}

/// One thing that stands in the way of a restore, or that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, on what, and why.
    pub message: String,
    /// What to type or change next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What was looked at before anything was touched.
#[derive(Clone, Debug, Serialize)]
pub struct Preflight {
    /// The database that the archive is of.
    pub archive_source: SourceId,
    /// The database that it would go to.
    pub target_source: SourceId,
    /// Whether the target holds anything.
    pub target: TargetState,
    /// How it would take its place.
    pub way: Way,
    /// Roles that the archive names and the server does not have.
    pub missing_roles: Vec<String>,
    /// Extensions that the archive needs and the server cannot install.
    pub missing_extensions: Vec<String>,
    /// Sessions of others on the target.
    pub others: Vec<OtherSession>,
    /// Logical slots and subscriptions of the target, as people read them.
    pub attached: Vec<String>,
    /// Prepared transactions of the target.
    pub prepared: Vec<String>,
    /// Bytes that the restored database will take, about.
    pub bytes_needed: u64,
    /// Bytes that are free there, where that can be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_free: Option<u64>,
    /// What stops the restore.
    pub problems: Vec<Finding>,
    /// What does not stop it.
    pub warnings: Vec<Finding>,
}

impl Preflight {
    /// Passes if nothing stands in the way.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with everything that does.
    pub fn check(&self) -> Result<()> {
        let [first, rest @ ..] = self.problems.as_slice() else { return Ok(()) };
        let mut message = first.message.clone();
        for problem in rest {
            message.push_str("; ");
            message.push_str(&problem.message);
        }
        let hints: Vec<&str> = self.problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
        let error = Error::new(ErrorKind::Refused, message);
        Err(if hints.is_empty() { error } else { error.with_hint(hints.join("; ")) })
    }

    /// What hangs on the target and does not move with its name, for people.
    pub fn left_behind(&self) -> Option<Finding> {
        if self.attached.is_empty() {
            return None;
        }
        let attached: Vec<String> = self.attached.iter().map(|it| format!("`{it}`")).collect();
        Some(Finding {
            message: format!(
                "the database has {}; a restore leaves it with the replaced database, and its subscriptions are then \
                 disabled in both",
                attached.join(", ")
            ),
            hint: Some("remove it, or leave it behind with --detach-replication".to_owned()),
        })
    }

    /// Whether the archive is of the very database that it would go to.
    pub fn same_source(&self) -> bool {
        self.archive_source == self.target_source
    }
}
