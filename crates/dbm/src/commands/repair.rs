use clap::Args;
use database::Database;
use migrate::files::{self, Repeat, Rule};
use migrate::history::{self, Break, Broken, Row, Ways};
use migrate::status::{self, RepeatedState, RepeatedStatus};
use serde_json::json;

use super::marking::{self, MarkFlags};
use crate::ask;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::output;

/// `dbm repair`
#[derive(Debug, Args)]
#[command(
    after_help = "Without a way out it looks, asks at a terminal for the way of each row, and ends with 5 if something is broken:
files that were changed, moved or removed after they were applied. No statement of a migration is run, and nothing but the
history is changed.

Examples:
  dbm repair                  what is broken, and the ways out of each
  dbm repair --accept 004     the file of 004 is right: the history takes its text and its number
  dbm repair --forget 007     007 has no file any more: its row goes, what it made stays
  dbm repair --forget seeds/demo      the same of a seed, and of what was in repeatable/"
)]
pub(crate) struct Repair {
    /// The history takes these files as they are now; without a number, all that were changed or moved
    #[arg(long, value_name = "NUMBER", num_args = 0..)]
    accept: Option<Vec<u64>>,
    /// These rows go, whose files are gone: a number, `repeatable/NAME` or `seeds/NAME`; without one, all of them
    #[arg(long, value_name = "ROW", num_args = 0..)]
    forget: Option<Vec<Row>>,
    #[command(flatten)]
    flags: MarkFlags,
}

impl Repair {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        // A number that is missing here may be the very thing that is broken.
        let migrations = files::read_for_rollback(&context.folder())?;
        let mut repeated = Vec::new();
        for kind in [Repeat::Repeatable, Repeat::Seed] {
            let (there, wrong) = files::survey_repeated(&context.folder(), kind)?;
            // One that cannot be read is not gone; all else is for `check` to say.
            if let Some(unreadable) = wrong.into_iter().find(|one| one.rule == Rule::Unreadable) {
                return Err(backup::Error::from(unreadable).into());
            }
            repeated.extend(there);
        }
        let ways = Ways { accept: self.accept.clone(), forget: self.forget.clone() };
        if !ways.is_none() {
            let decide = |records: &history::Records| history::repair(&migrations, &repeated, records, &ways);
            return marking::go(context, &self.flags, decide).await;
        }
        let database = Database::new(context.url()?)?;
        let mut session = database.session().await?;
        let open = context.open_run(&mut *session).await?;
        context.warn_of(open.as_ref());
        let broken = history::broken(&migrations, &history::read(&mut *session).await?)?;
        let mut gone = status::repeated(&mut *session, &repeated).await?;
        gone.retain(|one| one.state == RepeatedState::Gone);
        let mut documents: Vec<_> = broken
            .iter()
            .map(|one| {
                let mut document = serde_json::to_value(one).unwrap_or_default();
                document["message"] = one.line().into();
                document["ways"] = one.ways().into();
                document
            })
            .collect();
        for one in &gone {
            documents.push(json!({
                "kind": one.kind,
                "name": one.name,
                "applied_at": one.applied_at,
                "what": "gone",
                "message": one.finding(&context.folder()).map(|finding| finding.message),
                "ways": one.ways(),
            }));
        }
        let document = json!({
            "command": "repair",
            "database": database.name(),
            "broken": documents,
            "open_run": open.as_ref().map(|told| &told.run),
        });
        let mut text = String::new();
        for one in &broken {
            text.push_str(&format!("{}\n", one.line()));
            one.ways().iter().for_each(|way| text.push_str(&format!("  - {way}\n")));
        }
        for one in &gone {
            one.finding(&context.folder())
                .iter()
                .for_each(|finding| text.push_str(&format!("{}\n", finding.message)));
            one.ways().iter().for_each(|way| text.push_str(&format!("  - {way}\n")));
        }
        text.push_str(&match broken.len() + gone.len() {
            0 => format!("{}: the history fits the folder\n", database.name()),
            count => format!("{}: {} broken\n", database.name(), output::plural(count as u64, "row")),
        });
        context.output.answer(&document, &text);
        // What a run that is open has done is not in the history yet.
        let ways = if open.is_none() && !context.output.json { asked(context, &broken, &gone) } else { None };
        let left = match &ways {
            None => broken.len() + gone.len(),
            Some(ways) => {
                drop(session);
                let decide =
                    |records: &history::Records| history::repair(&migrations, &repeated, records, ways);
                marking::go(context, &self.flags, decide).await?;
                let count = |rows: Option<usize>| rows.unwrap_or_default();
                let mended =
                    count(ways.accept.as_ref().map(Vec::len)) + count(ways.forget.as_ref().map(Vec::len));
                broken.len() + gone.len() - mended
            }
        };
        match left == 0 && open.is_none() {
            true => Ok(()),
            false => Err(CommandError::reported(Meaning::Found, "the history does not fit the folder")),
        }
    }
}

/// The ways that a person wants for these rows, of those that a change of the history is; `None` for none of them, or where
/// nobody can be asked.
fn asked(context: &Context, broken: &[Broken], gone: &[RepeatedStatus]) -> Option<Ways> {
    let wants = |question: String| ask::confirm(&context.output.scrub(&question), &context.cancel);
    let (mut accept, mut forget) = (Vec::new(), Vec::new());
    for one in broken {
        let number = one.number;
        match one.what {
            Break::Changed { .. } => {
                if wants(format!("Shall the history take the file of {number:03} as it is now?"))? {
                    accept.push(number);
                }
            }
            Break::Moved { .. } => {
                if wants(format!("Shall the history take the new number of {number:03}?"))? {
                    accept.push(number);
                }
            }
            Break::Gone => {
                if wants(format!("Shall the row of {number:03} go? What it made stays."))? {
                    forget.push(Row::Number(number));
                }
            }
            Break::Unknown => {}
        }
    }
    for one in gone {
        if wants(format!("Shall the row of {} go? What it made stays.", one.kind.label(&one.name)))? {
            forget.push(Row::File(one.kind, one.name.clone()));
        }
    }
    // An empty list would mean all of them.
    let ways = Ways {
        accept: (!accept.is_empty()).then_some(accept),
        forget: (!forget.is_empty()).then_some(forget),
    };
    (!ways.is_none()).then_some(ways)
}
