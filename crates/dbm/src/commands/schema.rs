use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use database::Database;
use migrate::docs;
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Meaning, Result, io};

/// `dbm schema`
#[derive(Debug, Args)]
#[command(
    after_help = "The database is only read. Equal databases give equal texts, so that a file under version control changes when
the schema does, and not before. With --check nothing is written: it ends with 5 if the file is not current.

Examples:
  dbm schema dump --output schema.sql
  dbm schema docs --output DATABASE_STRUCTURE.md
  dbm schema docs --output DATABASE_STRUCTURE.md --check"
)]
pub(crate) struct Schema {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All objects as SQL that makes them again, in an order in which they can be made
    Dump {
        /// Also whom objects belong to, and who may do what with them
        #[arg(long)]
        owners: bool,
        #[command(flatten)]
        to: To,
    },
    /// All objects as Markdown, with a diagram of the tables that Mermaid draws
    Docs {
        /// The page's heading, instead of the database's name
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,
        #[command(flatten)]
        to: To,
    },
}

/// Where the text goes.
#[derive(Debug, Args)]
struct To {
    /// The file, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write nothing; end with 5 if the file is not what would be written
    #[arg(long, requires = "output")]
    check: bool,
}

impl Schema {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let database = Database::new(context.url()?)?;
        let open = context.open_run(&mut *database.session().await?).await?;
        context.warn_of(open.as_ref());
        let mut schema = docs::schema(&database).await?;
        schema.leave_out_broken();
        for left_out in &schema.left_out {
            context.output.warn(&format!("no part of the schema: {left_out}"));
        }
        let (what, text, to) = match &self.action {
            Action::Dump { owners, to } => {
                ("dump", backup::dump::definitions(database.engine(), &schema, *owners)?, to)
            }
            Action::Docs { title, to } => {
                let name = database.name();
                let title = title.as_deref().unwrap_or(&name);
                ("docs", docs::page(database.engine(), &schema, title), to)
            }
        };
        to.put(context, what, &database.name(), &text)
    }
}

impl To {
    fn put(&self, context: &Context, what: &str, database: &str, text: &str) -> Result<()> {
        let document = |current: Option<bool>| {
            let mut document = json!({ "command": "schema", "what": what, "database": database });
            match &self.output {
                None => document["text"] = text.into(),
                Some(path) => document["file"] = path.display().to_string().into(),
            }
            if let Some(current) = current {
                document["current"] = current.into();
            }
            document
        };
        let Some(path) = &self.output else {
            context.output.answer(&document(None), text);
            return Ok(());
        };
        // What is no file may have nothing to read, for ever.
        let there = if self.check || path.is_file() { read(path)? } else { None };
        let (current, file) = (there.as_deref() == Some(text), path.display());
        if self.check && !current {
            let said = match there {
                Some(_) => format!("{file} is not what the database {database} gives\n"),
                None => format!("{file} is not there\n"),
            };
            context.output.answer(&document(Some(false)), &said);
            return Err(CommandError::reported(Meaning::Found, "the file is not current"));
        }
        if !current {
            replace(path, text)?;
        }
        let said = if current { format!("{file}: current\n") } else { format!("{file}: written\n") };
        context.output.answer(&document(Some(true)), &said);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// Writes beside, then in its place: whoever reads it meanwhile has the old text or the new one. A link stays one, and what is
/// no file, such as a device or a pipe, is written to.
fn replace(path: &Path, text: &str) -> Result<()> {
    let there = std::fs::metadata(path).ok();
    let is_link = path.is_symlink();
    // A link to nothing: there is no old text.
    if there.as_ref().map_or(is_link, |there| !there.is_file()) {
        return std::fs::write(path, text).map_err(io("write", path));
    }
    let file = if is_link { path.canonicalize().map_err(io("write", path))? } else { path.to_owned() };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file, but with the rights that the old one has.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dbm-schema-").permissions(Permissions::from_mode(0o666));
    let mut beside = builder.tempfile_in(folder).map_err(io("write in", folder))?;
    let written = beside.write_all(text.as_bytes()).and_then(|()| match there {
        Some(there) => beside.as_file().set_permissions(there.permissions()),
        None => Ok(()),
    });
    written.and_then(|()| beside.as_file().sync_all()).map_err(io("write", path))?;
    beside.persist(&file).map(drop).map_err(|failed| io("write", path)(failed.error))
}
