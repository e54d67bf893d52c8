use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use serde_json::json;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::{CommandError, Result, io};

/// `dbm man FOLDER`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dbm man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; it is made if it is missing
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(io("make the folder", &self.folder))?;
        let mut root = Arguments::command();
        root.build();
        let mut pages = vec![("dbm.1".to_owned(), root.clone())];
        for verb in root.get_subcommands().filter(|verb| verb.get_name() != "help") {
            pages.push((format!("dbm-{}.1", verb.get_name()), verb.clone()));
        }
        let mut written = Vec::new();
        for (name, command) in pages {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut page)
                .map_err(|error| CommandError::failed(format!("cannot write the page `{name}`: {error}")))?;
            let path = self.folder.join(&name);
            std::fs::write(&path, page).map_err(io("write", &path))?;
            written.push(name);
        }
        let text = format!("{} pages written into {}\n", written.len(), self.folder.display());
        context.output.report(&json!({ "command": "man", "folder": self.folder, "pages": written }), &text);
        Ok(())
    }
}
