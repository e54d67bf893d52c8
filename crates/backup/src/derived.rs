//! What no archive carries, since a restore makes it anew: stored generated columns, the rows of materialized views.
//!
//! Where the function behind one has changed since, the session that wrote a row had another time zone (MySQL's `DATE(at)`
//! of a TIMESTAMP), or a materialized view was not fresh, it does not come out as it was. An archive keeps the digest of
//! what it was, so that a restore can say so.

use database::{Kind, ObjectId, RowsRead, TableDigest};
use serde::{Deserialize, Serialize};

use crate::restore::Remade;

/// What one table or materialized view held of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Derived {
    /// Which one.
    pub(crate) id: ObjectId,
    /// A table's stored generated columns; none for a materialized view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// All rows with all columns; none where it could not be read.
    pub(crate) digest: Option<TableDigest>,
}

impl Derived {
    /// What a restore has to say of it, if what it made is not the same.
    pub(crate) fn judge(&self, made: &RowsRead) -> Option<Remade> {
        let (object, known) = (self.id.to_string(), self.digest);
        let what = if self.id.kind == Kind::MaterializedView {
            let now = made.carried;
            match known {
                Some(was) if was == now => return None,
                Some(was) if was.rows == now.rows => {
                    "it was not fresh: a restore refreshes it, and its rows are other ones now".to_owned()
                }
                Some(was) => format!(
                    "it was not fresh: a restore refreshes it, and its rows are {} now, and were {}",
                    now.rows, was.rows
                ),
                None => {
                    "a restore refreshes it, and what it held could not be read for the backup".to_owned()
                }
            }
        } else {
            if known.is_none_or(|was| was == made.whole) {
                return None;
            }
            format!(
                "the server computes the generated {} `{}` anew, and what came out is not what was there: the \
                 expression gives other values now, by a function in it or by the time zone of whoever wrote the rows",
                if self.columns.len() == 1 { "column" } else { "columns" },
                self.columns.join("`, `")
            )
        };
        Some(Remade { object, what })
    }
}
