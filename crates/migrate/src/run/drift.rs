use std::collections::BTreeSet;

use backup::{Error, ErrorKind, Result};
use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Kind, Session};

use super::Runner;
use crate::compare::{Difference, Differs, What};
use crate::history::{self, Fingerprint, Reader, Records};
use crate::plan::Plan;

/// Of so many objects the names are told.
const NAMED: usize = 5;

impl Runner {
    /// The schema as it is now, as far as it takes to tell whether another one is the same.
    pub(super) async fn fingerprint(&self) -> Option<Fingerprint> {
        match self.database.schema().await {
            Ok(schema) => Some(Fingerprint::of(self.database.engine(), &schema)),
            Err(error) => {
                self.watch.note(&format!(
                    "the schema could not be read, so that neither rollbacks nor changes by hand are compared: {error}"
                ));
                None
            }
        }
    }

    /// The schema as the runs before have left it; none where there are none, or it was not kept.
    ///
    /// What differs from it was changed by hand. Nothing is run to know that: to run all that is applied once more, in a
    /// scratch database, takes rights and time, and may reach what nobody wants reached at every release.
    pub(super) async fn left(
        &self,
        session: &mut dyn Session,
        records: &Records,
        server: &str,
    ) -> Result<Option<Fingerprint>> {
        match records.applied.is_empty() && records.repeated.is_empty() {
            true => Ok(None),
            false => history::last(session, records, self.reader(server)).await,
        }
    }

    /// Refuses where what is to be run touches what was changed by hand.
    pub(super) fn not_drifted(
        &self,
        records: &Records,
        plan: &Plan,
        left: Option<&Fingerprint>,
        now: &Fingerprint,
    ) -> Result<()> {
        if self.settings.allowed.drift || records.applied.is_empty() && records.repeated.is_empty() {
            return Ok(());
        }
        let Some(left) = left else {
            self.watch.note(
                "what was changed by hand is not looked for: the schema after the last run was not kept, or by another dbm or \
                 server, or before a restore; `dbm drift` compares with what the migrations make",
            );
            return Ok(());
        };
        let mut differences = left.differences(now, What::Definitions);
        // Whether a materialized view is filled says when it was refreshed, and not what it is.
        differences.retain(|one| one.object.kind != Kind::Refresh);
        let touched = touched(self.database.engine(), differences, &plan.texts());
        if touched.is_empty() {
            return Ok(());
        }
        let mut lines: Vec<String> = touched.iter().take(NAMED).map(Difference::line).collect();
        if let Some(more) = touched.len().checked_sub(NAMED).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        let message = format!("what is pending touches what was changed by hand: {}", lines.join("; "));
        Err(Error::new(ErrorKind::Refused, message).with_hint(
            "see `dbm drift --sql`; take it back by hand, or say `--allow-drift` if the migrations fit what is there",
        ))
    }

    /// Keeps the schema that a run has left. It serves a later run, and fails nothing.
    pub(super) async fn keep_schema(&self, server: &str, now: &Fingerprint) {
        let kept = async {
            let mut session = self.database.session().await?;
            session.begin(Some(self.settings.lock_timeout)).await?;
            let records = Records::read(&mut *session).await?;
            history::put_last(&mut *session, &records, self.reader(server), now).await?;
            Ok::<_, Error>(session.commit().await?)
        };
        if let Err(error) = kept.await {
            self.watch.note(&format!("the schema after the run could not be kept: {error}"));
        }
    }

    fn reader<'r>(&'r self, server: &'r str) -> Reader<'r> {
        Reader { server, dbm: &self.settings.dbm }
    }
}

/// The words of a statement whose strings may be run: bodies of routines, and SQL that is put together.
const RUNS_TEXT: &[&str] = &["DO", "FUNCTION", "PROCEDURE", "EXECUTE", "PREPARE"];

/// Those of the differences whose objects, or the tables that these are of, are named in a text. What is gone with all that
/// belongs to it is touched by nothing: a statement makes it anew, or fails for want of it.
fn touched(engine: Engine, differences: Vec<Difference>, texts: &[&str]) -> Vec<Difference> {
    let (mut names, mut schemas) = (BTreeSet::new(), BTreeSet::new());
    let mut cascades = false;
    for text in texts {
        // One that cannot be cut is told when it is to be run.
        for statement in script::split(engine, text).unwrap_or_default() {
            let lexemes = script::lexemes(engine, statement.text).unwrap_or_default();
            let mut own: BTreeSet<String> =
                lexemes.iter().filter_map(Lexeme::identifier).map(|name| name.to_lowercase()).collect();
            let runs = |lexeme: &Lexeme<'_>| RUNS_TEXT.iter().any(|word| lexeme.is(word));
            let all = lexemes.iter().any(runs);
            let bodies = lexemes
                .iter()
                .filter(|lexeme| lexeme.kind == LexemeKind::Text && (all || lexeme.text.starts_with('$')));
            for body in bodies {
                let words = body.text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
                own.extend(words.map(str::to_lowercase));
            }
            // What drops a schema, or renames it, reaches all that is in it without naming it.
            if own.contains("schema") && (own.contains("drop") || own.contains("alter")) {
                schemas.extend(own.iter().cloned());
            }
            // What hangs on what is dropped is not named.
            cascades |= own.contains("cascade") && (own.contains("drop") || own.contains("truncate"));
            names.extend(own);
        }
    }
    let is_named = |name: &str| {
        // Of a routine, its arguments are no part of the name.
        let bare = name.split('(').next().unwrap_or(name).to_lowercase();
        !bare.is_empty() && names.contains(&bare)
    };
    let is_gone = |one: &Difference| one.differs == Differs::Removed && one.object.of.is_empty();
    let touches = |one: &Difference| {
        if is_gone(one) {
            return false;
        }
        cascades
            || is_named(&one.object.name)
            || is_named(&one.object.of)
            || schemas.contains(&one.object.namespace.to_lowercase())
    };
    differences.into_iter().filter(touches).collect()
}

#[cfg(test)]
mod tests {
    use database::ObjectId;

    use super::*;

    #[test]
    fn what_a_migration_names_is_touched() {
        let difference = |of: &str, name: &str| Difference {
            object: ObjectId {
                kind: Kind::Index,
                namespace: "public".into(),
                of: of.into(),
                name: name.into(),
            },
            differs: Differs::Added,
            before: None,
            after: None,
        };
        let all =
            || vec![difference("Item", "by_hand"), difference("", "f(integer)"), difference("other", "x")];
        let texts = ["ALTER TABLE item ADD COLUMN a int; -- other", "SELECT f(1), 'other'"];
        let names: Vec<String> =
            touched(Engine::Postgres, all(), &texts).into_iter().map(|one| one.object.name).collect();
        assert_eq!(names, ["by_hand", "f(integer)"]);
        let count = |text: &str| touched(Engine::Postgres, all(), &[text]).len();
        assert_eq!(count("DO $x$ BEGIN EXECUTE 'ALTER TABLE other ADD a int'; END $x$"), 1);
        assert_eq!(count("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT a FROM item'"), 1);
        assert_eq!(count("DROP SCHEMA public CASCADE"), 3);
        assert_eq!(count("DO $$ BEGIN DROP SCHEMA public CASCADE; END $$"), 3);
        assert_eq!(count("CREATE TABLE public.more (a int)"), 0);
        assert_eq!(count("DROP TABLE unknown CASCADE"), 3);
    }
}
