use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::configuration::FILE_NAME;
use crate::context::Context;
use crate::error::{Result, io};

const CONFIGURATION: &str = include_str!("init/dbm.toml");
const ENVIRONMENT: &str = include_str!("init/env.example");
const IGNORED: &str = "/logs/*.log\n/logs/.*.lock\n/backups/\n.env\n*-dbm\n";

/// `dbm init [FOLDER]`
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing that is there is changed. No database is touched or made: its URL is yours to give.

Example:
  dbm init && export DATABASE_URL=postgres://me@localhost/shop && dbm doctor"
)]
pub(crate) struct Init {
    /// Where; it is made if it is missing
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Init {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let mut made = Vec::new();
        for name in ["migrations", "rollback", "logs"] {
            let path = self.folder.join(name);
            if !path.is_dir() {
                std::fs::create_dir_all(&path).map_err(io("make the folder", &path))?;
                made.push(format!("{name}/"));
            }
        }
        for (name, text) in
            [(FILE_NAME, CONFIGURATION), (".env.example", ENVIRONMENT), (".gitignore", IGNORED)]
        {
            if write_new(&self.folder.join(name), text)? {
                made.push(name.to_owned());
            }
        }
        let text = if made.is_empty() {
            "everything is there already\n".to_owned()
        } else {
            format!("made {}\n", made.join(", "))
        };
        context.output.answer(&json!({ "command": "init", "folder": self.folder, "made": made }), &text);
        context.output.say(
            "next: give the database's URL (DATABASE_URL or dbm.toml), then `dbm doctor` and `dbm new NAME`",
        );
        Ok(())
    }
}

/// Writes a file that must not be there yet; `false` if it is.
fn write_new(path: &Path, text: &str) -> Result<bool> {
    match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).map_err(io("write", path))?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io("write", path)(error)),
    }
}
