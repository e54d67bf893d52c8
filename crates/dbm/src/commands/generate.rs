use std::path::PathBuf;

use clap::{Args, ValueEnum};
use database::{Database, DatabaseUrl};
use migrate::compare::{Difference, Differs};
use migrate::files::{self, Migration};
use migrate::generate::{
    self, Answer, GenerateOptions, Generated, Generator, Rename, There, Unclear, Wanted,
};
use migrate::history::{self, Applied};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::run_flags::{self, RunFlags};
use super::scratch_flags::ScratchFlags;
use crate::ask;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::output;

/// `dbm generate MESSAGE`
#[derive(Debug, Args)]
#[command(
    after_help = "What is wanted is compared with what is there, and the next migration is written with its rollback, to be read
and changed before it is run. Both sides are made in scratch databases, where what is written is tried out too: if it does
not give what is wanted, or its rollback not what was there, nothing is written. The database itself is only read. Owners
are not compared, and privileges with --privileges; what has to be made anew keeps those that it has (MariaDB: a definer is
lost, and that is marked). While a migration is pending nothing is written, unless it is compared with --from migrations.

Where other sessions would wait long, a second file does that outside a transaction (CREATE INDEX CONCURRENTLY, VALIDATE
CONSTRAINT); --one-file does without.

Examples:
  dbm generate \"add colours\"                          from the database to schema.sql
  dbm generate \"add colours\" --to models/ --from migrations
  dbm generate \"as staging\" --to postgres://me@staging/shop --dry-run
  dbm generate \"call it name\" --rename item.title=name"
)]
pub(crate) struct Generate {
    /// What the migration does, in a few words
    message: String,
    /// What is wanted: a file or a folder of SQL, or the URL of a database
    #[arg(long, value_name = "PATH|URL", default_value = "schema.sql")]
    to: String,
    /// What is there
    #[arg(long, value_enum, default_value_t = From::Database)]
    from: From,
    /// What got another name: item=product, or item.title=name for a column
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<Rename>,
    /// What is dropped, though something like it is new: item, or item.title for a column
    #[arg(long, value_name = "NAME")]
    drop: Vec<String>,
    /// Write statements that lose data
    #[arg(long)]
    allow_data_loss: bool,
    /// Write one file only, though other sessions wait longer for it
    #[arg(long)]
    one_file: bool,
    /// Compare privileges too: grants and revokes (PostgreSQL)
    #[arg(long)]
    privileges: bool,
    /// Write nothing; show what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// What the database has
    Database,
    /// What the migrations make in an empty database
    Migrations,
}

impl Generate {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        files::file_name(&self.message)?;
        let folder = context.folder();
        let there = match self.from {
            From::Database => {
                let target = Database::new(context.url()?)?;
                let open = context.open_run(&mut *target.session().await?).await?;
                context.warn_of(open.as_ref());
                // What is pending may be what would be written.
                let migrations =
                    if folder.migrations.exists() { files::survey(&folder)?.0 } else { Vec::new() };
                let history = history::read(&mut *target.session().await?).await?;
                if let Some(pending) = pending(&migrations, &history) {
                    return Err(pending
                        .hint("run it first: dbm migrate; or compare with the files: --from migrations"));
                }
                There::Database(target)
            }
            From::Migrations => {
                There::Migrations(files::read(&folder)?, super::migrate::repeatables(context)?)
            }
        };
        let wanted = self.wanted(context)?;
        let options = GenerateOptions {
            renames: self.rename.clone(),
            dropped: self.drop.clone(),
            data_loss: self.allow_data_loss,
            one_file: self.one_file,
            privileges: self.privileges,
        };
        let generated = between(context, &self.scratch, &wanted, &there, &options).await?;
        self.write(context, &generated)
    }

    fn wanted(&self, context: &Context) -> Result<Wanted> {
        if !(self.to.contains("://") || self.to.starts_with("sqlite:")) {
            return Ok(Wanted::Models(generate::models(&PathBuf::from(&self.to))?));
        }
        let url = DatabaseUrl::parse(&self.to)?;
        context.output.hide(&url.password().map(str::to_owned).into_iter().collect::<Vec<_>>());
        Ok(Wanted::Like(Database::new(url)?))
    }

    fn write(&self, context: &Context, generated: &Generated) -> Result<()> {
        let mut text = lines(&generated.differences);
        let mut files = Vec::new();
        for draft in &generated.drafts {
            let name =
                if draft.apart { format!("{} concurrently", self.message) } else { self.message.clone() };
            if self.dry_run {
                text.push_str(&format!("\n-- {name}\n{}\n-- and back\n{}", draft.up, draft.down));
                continue;
            }
            let made = files::write_migration(&context.folder(), &name, &draft.up, &draft.down)?;
            text.push_str(&format!("{}\n{}\n", made.migration.display(), made.rollback.display()));
            files.push(made);
        }
        if generated.drafts.is_empty() {
            text.push_str("what is there is what is wanted: nothing to write\n");
        }
        let document = json!({
            "command": "generate", "dry_run": self.dry_run, "differences": generated.differences,
            "losses": generated.losses, "drafts": generated.drafts, "files": files,
        });
        context.output.answer(&document, &text);
        if !generated.losses.is_empty() {
            let losses = generated.losses.join("; ");
            context.output.warn(&format!("what was written loses data: {losses}"));
        }
        if !files.is_empty() {
            let count = output::plural(files.len() as u64, "migration");
            context.output.say(&format!("{count} written and tried out; read, then: dbm migrate --dry-run"));
        }
        Ok(())
    }
}

/// What differs, a line for each object: what comes, goes and changes.
pub(super) fn lines(differences: &[Difference]) -> String {
    let line = |difference: &Difference| {
        let sign = match difference.differs {
            Differs::Added => '+',
            Differs::Removed => '-',
            Differs::Changed => '~',
        };
        format!("{sign} {}\n", difference.object)
    };
    differences.iter().map(line).collect()
}

/// The refusal where a migration is still to be run, and would come before what is written.
pub(super) fn pending(migrations: &[Migration], history: &[Applied]) -> Option<CommandError> {
    let first = migrations.iter().find(|file| !history.iter().any(|row| row.number == file.number))?;
    let what = format!("{} is pending, and would come before what is written", first.label());
    Some(CommandError::failed(what))
}

/// What leads from one side to the other, tried out beside the target or where the flags say.
pub(super) async fn between(
    context: &Context,
    scratch: &ScratchFlags,
    wanted: &Wanted,
    there: &There,
    options: &GenerateOptions,
) -> Result<Generated> {
    let settings = run_flags::settings(context, &RunFlags::default())?;
    let on = Database::new(scratch.url(context)?)?;
    let generator = Generator {
        on: &on,
        settings: &settings,
        variables: run_flags::variables(context),
        cancel: context.cancel.clone(),
        ask: &|unclear| if context.output.json { None } else { question(unclear, &context.cancel) },
    };
    Ok(Box::pin(generator.generate(wanted, there, options)).await?)
}

/// Asks on the terminal what became of something.
fn question(unclear: &Unclear, cancel: &CancellationToken) -> Option<Answer> {
    for new in &unclear.new {
        if ask::confirm(&format!("{} is gone. Is {new} its new name?", unclear.gone), cancel)? {
            return Some(Answer::Renamed(new.clone()));
        }
    }
    ask::confirm(&format!("Is {} dropped?", unclear.gone), cancel)?.then_some(Answer::Dropped)
}
