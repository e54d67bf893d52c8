use backup::{Error, ErrorKind};
use database::script::{self, Statement};
use database::{Session, WRITES};

use super::Runner;
use super::apply::Failed;
use super::statements::at;
use crate::plan::Item;

impl Runner {
    /// Runs the checks of a file, none of which may write; how many there were.
    pub(super) async fn checks(&self, session: &mut dyn Session, item: &Item) -> Result<usize, Failed> {
        let checks = script::split(session.engine(), &item.verify.text)?;
        if checks.is_empty() {
            return Ok(0);
        }
        session.begin_reading().await?;
        let checked = self.check_each(session, item, &checks).await;
        let ended = session.end_reading().await;
        checked?;
        ended?;
        Ok(checks.len())
    }

    async fn check_each(
        &self,
        session: &mut dyn Session,
        item: &Item,
        checks: &[Statement<'_>],
    ) -> Result<(), Failed> {
        for (place, check) in checks.iter().enumerate() {
            self.going_on()?;
            let canceller = session.canceller();
            let wrong = match self.until_cancelled(canceller, session.query(check.text)).await {
                Err(error) if error.sqlstate() == Some(WRITES) => {
                    Some(error.with_hint("a check only reads: what writes belongs above `-- dbm: verify`"))
                }
                Err(error) => Some(error),
                Ok(rows) => rows.iter().flatten().find(|value| !is_true(value.as_deref())).map(|value| {
                    let value = value.as_deref().unwrap_or("NULL");
                    Error::new(
                        ErrorKind::Statement,
                        format!("the check returned {value}, and every value has to be true"),
                    )
                }),
            };
            if let Some(error) = wrong {
                return Err(at(item, &item.verify, check, place, checks.len(), true, &error));
            }
        }
        Ok(())
    }
}

/// Whether a check's value says yes: Postgres writes `t`, SQLite and MySQL a number.
fn is_true(value: Option<&str>) -> bool {
    match value {
        Some("t" | "true") => true,
        Some(number) => number.parse::<i64>().is_ok_and(|number| number != 0),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_true() {
        for value in ["t", "true", "1", "7", "-1"] {
            assert!(is_true(Some(value)), "{value}");
        }
        for value in ["f", "false", "0", "", "yes please", "NULL"] {
            assert!(!is_true(Some(value)), "{value}");
        }
        assert!(!is_true(None));
    }
}
