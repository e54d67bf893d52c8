//! Writing the next migration: from what is there to what is wanted, and back.
//!
//! Both sides are read from databases of the same engine, so that spelling makes no difference. What is written is tried
//! out before it is handed over: applied to a copy of what is there it gives what is wanted, and its rollback what was
//! there; otherwise nothing is written.

mod bench;
mod draft;
mod models;
mod mysql;
mod order;
mod parts;
mod plan;
mod postgres;
mod privileges;
mod rename;
mod sqlite;
mod step;
#[cfg(test)]
mod tests;
mod words;

pub use draft::Draft;
pub use models::models;
pub use rename::{Answer, Rename, Unclear};

pub(crate) use mysql::Mysql;
pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;
pub(crate) use step::Dialect;

use std::sync::Arc;

use backup::{Error, ErrorKind, Result};
use database::{Database, Kind, Schema};
use tokio_util::sync::CancellationToken;

use self::bench::Bench;
use self::step::{Owners, Step, Style, Verb};
use crate::compare::{Difference, Differs};
use crate::engine;
use crate::files::{Migration, RepeatedFile, Source};
use crate::history;
use crate::placeholders::Variables;
use crate::run::Settings;

/// What is wanted.
#[derive(Debug)]
pub enum Wanted {
    /// What these files make in an empty database.
    Models(Vec<Source>),
    /// What another database has.
    Like(Database),
}

/// What is there.
#[derive(Debug)]
pub enum There {
    /// What a database has.
    Database(Database),
    /// What the migrations make in an empty database.
    Migrations(Vec<Migration>, Vec<RepeatedFile>),
}

/// What is to be written, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerateOptions {
    /// What got another name.
    pub renames: Vec<Rename>,
    /// What is dropped, and is not there under another name.
    pub dropped: Vec<String>,
    /// Writes statements that lose data.
    pub data_loss: bool,
    /// Writes one file only, though other sessions wait longer.
    pub one_file: bool,
    /// Compares privileges too.
    pub privileges: bool,
}

/// What was found, and what leads from one to the other.
#[derive(Debug)]
pub struct Generated {
    /// What differs, object by object; `before` is there, `after` is wanted.
    pub differences: Vec<Difference>,
    /// The files to be written, in order; none if nothing differs.
    pub drafts: Vec<Draft>,
    /// What is lost when they are applied.
    pub losses: Vec<String>,
}

/// Where both sides are made, and with what.
pub struct Generator<'g> {
    /// A database on the server where scratch databases are made.
    pub on: &'g Database,
    /// The target's settings.
    pub settings: &'g Settings,
    /// Where placeholders get their values.
    pub variables: Arc<dyn Variables>,
    /// Asks somebody what became of something that is gone; `None` where nobody can be asked.
    pub ask: &'g (dyn Fn(&Unclear) -> Option<Answer> + Sync),
    /// Stops it; what was made for it is removed.
    pub cancel: CancellationToken,
}

impl Generator<'_> {
    /// Compares the two sides, and writes and proves what leads from one to the other. Writes no file.
    ///
    /// # Errors
    /// A side cannot be made; [`ErrorKind::Refused`] where dbm writes no statement for a difference, where something may
    /// have been dropped or renamed and nobody says which, where data would be lost and that was not allowed, and where
    /// what was written does not give what is wanted.
    pub async fn generate(
        &self,
        wanted: &Wanted,
        there: &There,
        options: &GenerateOptions,
    ) -> Result<Generated> {
        let dialect = engine::dialect(self.on.engine());
        let mut bench = Bench::new(self, dialect).await?;
        let making = Box::pin(bench.wanted(wanted, options.privileges));
        let wanted = self.unless_stopped(making).await;
        let whose = std::mem::take(&mut bench.owners);
        bench.discard().await?;
        let wanted = (wanted?, whose);
        let mut bench = Bench::new(self, dialect).await?;
        let between = Box::pin(self.between(&mut bench, dialect, &wanted, there, options));
        let generated = self.unless_stopped(between).await;
        bench.discard().await?;
        generated
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "stopped on request; nothing was written"))
            }
            done = work => done,
        }
    }

    async fn between(
        &self,
        bench: &mut Bench<'_>,
        dialect: &dyn Dialect,
        (wanted, whose): &(Schema, Owners),
        there: &There,
        options: &GenerateOptions,
    ) -> Result<Generated> {
        let before = Box::pin(bench.there(there)).await?;
        let nothing = Generated { differences: Vec::new(), drafts: Vec::new(), losses: Vec::new() };
        if differences(dialect, &before, wanted, options.privileges).is_empty() {
            return Ok(nothing);
        }
        let renamed = Box::pin(rename::settle(bench, dialect, &before, wanted, options, self.ask)).await?;
        let style = Style { apart: !options.one_file, privileges: options.privileges };
        let mut steps = plan::steps(dialect, (&renamed.schema, wanted), style, &bench.owners)?;
        note_owners(&mut steps, whose, &bench.owners);
        let found = differences(dialect, &before, wanted, options.privileges);
        let losses = losses(&steps);
        if !losses.is_empty() && !options.data_loss {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("what is wanted loses data: {}", losses.join("; ")),
            )
            .with_hint(
                "if that is meant: --allow-data-loss; if something only got another name: --rename OLD=NEW",
            ));
        }
        let drafts =
            Box::pin(draft::prove(bench, dialect, &before, &renamed, &steps, wanted, options.privileges))
                .await?;
        Ok(Generated { differences: found, drafts, losses })
    }
}

/// Says of what is made whose it is in the database that is wanted: roles and accounts are each server's own, and the
/// file does not name them.
fn note_owners(steps: &mut [Step], whose: &Owners, kept: &Owners) {
    for step in steps.iter_mut().filter(|step| step.verb == Verb::Create) {
        let (Some(who), Some(first)) = (whose.get(&step.object), step.statements.first_mut()) else {
            continue;
        };
        if kept.get(&step.object) != Some(who) {
            first.note = Some(format!(
                "where it is wanted from, {} is of {who}; here of whoever runs this",
                step.object
            ));
        }
    }
}

/// What is lost by steps, each thing once.
fn losses(steps: &[Step]) -> Vec<String> {
    let mut losses: Vec<String> = Vec::new();
    for loss in
        steps.iter().flat_map(|step| &step.statements).filter_map(|statement| statement.loses.as_ref())
    {
        if !losses.contains(loss) {
            losses.push(loss.clone());
        }
    }
    losses
}

/// What differs, as far as statements can make it the same.
fn differences(dialect: &dyn Dialect, before: &Schema, after: &Schema, privileges: bool) -> Vec<Difference> {
    let text = |object: &database::Object| object.definition.clone() + &object.comments.concat();
    let beside = |object: &database::Object| {
        let mut comments = object.comments.clone();
        comments.sort();
        let granted = if privileges { object.privileges.concat() } else { String::new() };
        comments.concat() + &granted
    };
    let mut found = Vec::new();
    for old in &before.objects {
        let new = after.get(&old.id);
        if new.is_some_and(|new| dialect.same(old, new) && beside(new) == beside(old)) {
            continue;
        }
        found.push(Difference {
            object: old.id.clone(),
            differs: if new.is_some() { Differs::Changed } else { Differs::Removed },
            before: Some(text(old)),
            after: new.map(text),
        });
    }
    for new in after.objects.iter().filter(|new| before.get(&new.id).is_none()) {
        let after = Some(text(new));
        found.push(Difference { object: new.id.clone(), differs: Differs::Added, before: None, after });
    }
    found.sort_by(|one, other| one.object.cmp(&other.object));
    found
}

/// A schema without what dbm keeps for itself.
fn without_own(mut schema: Schema) -> Schema {
    // What new objects are to be given is for those who may give it.
    schema.objects.retain(|object| !history::is_own(&object.id) && object.id.kind != Kind::DefaultPrivileges);
    schema
}
