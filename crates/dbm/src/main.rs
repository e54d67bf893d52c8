//! The command line of dbm: arguments, configuration, progress, output and the audit log.
//!
//! It decides nothing about databases: it asks the crates to its left and shows what they answer.
//!
//! The shape of `--json` and of the log, and the exit codes, are in this crate's README.md.

#![recursion_limit = "256"]

mod alone;
mod arguments;
mod ask;
mod audit;
mod commands;
mod configuration;
mod connection;
mod context;
mod error;
mod findings;
mod memory;
mod my_cnf;
mod notify;
mod output;
mod progress;
mod rehearsal;
mod report;
mod screen;
mod signals;
mod stop;
mod threads;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use arguments::Arguments;
use configuration::{Configuration, Environment};
use context::Context;
use error::{CommandError, Meaning, Result};
use output::Output;

/// The stack of each thread, in bytes: what the main thread has on Linux.
const STACK: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    memory::bound(&arguments);
    let global = &arguments.global;
    let output = Output::new(global.json, global.quiet, global.no_color);
    let command = arguments.command.word();
    let started = threads::ask(STACK).and_then(|workers| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        // Left to itself, it takes as many as the environment says, which may be more than there is room for.
        runtime.worker_threads(workers).thread_stack_size(STACK).enable_all();
        let runtime = runtime.build()?;
        Ok((runtime, signals::watch(output.clone())?))
    });
    let (runtime, cancel) = match started {
        Ok(started) => started,
        Err(error) => {
            let error = CommandError::failed(format!("cannot start: {error}")).hint(
                "raise the limit of processes and threads: `ulimit -u` shows the account's, containers and services have their own",
            );
            fail(&error, command, &output);
            return ExitCode::from(error.meaning.exit_code());
        }
    };
    let hook = output.clone();
    // A value that a panic names may hold a password.
    std::panic::set_hook(Box::new(move |panic| {
        hook.error(&format!("error: dbm met a mistake of its own: {panic}"))
    }));
    // On one of the runtime's own threads: from another one each answer of a server has to wake two.
    let work = runtime.spawn(run(arguments, output.clone(), cancel));
    let result = runtime.block_on(work).unwrap_or_else(|_| {
        // Told by the hook; whether a run is open now, only its journal knows.
        output.error(
            "hint: `dbm status` says whether a run was left open; then `dbm recover`. Please report this",
        );
        Err(CommandError::reported(Meaning::NeedsPerson, "dbm met a mistake of its own"))
    });
    match result {
        Ok(()) if output.undelivered() => ExitCode::from(Meaning::Failed.exit_code()),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&error, command, &output);
            ExitCode::from(error.meaning.exit_code())
        }
    }
}

async fn run(arguments: Arguments, output: Output, cancel: CancellationToken) -> Result<()> {
    let Arguments { global, command } = arguments;
    let mut flags = global.flags();
    command.add_flags(&mut flags);
    let current = std::env::current_dir()
        .map_err(|error| CommandError::usage(format!("the current folder cannot be used: {error}")))?;
    let word = command.word();
    let configuration = match &command {
        // They need no configuration, and must work beside a broken one.
        arguments::Command::Password(_)
        | arguments::Command::Completions(_)
        | arguments::Command::Man(_)
        | arguments::Command::Init(_) => Configuration::none(&current),
        _ => Configuration::read(flags, global.config.as_deref(), Environment::of_process(), &current)?,
    };
    for warning in &configuration.warnings {
        output.warn(warning);
    }
    let context = Context { output, configuration, command: word, yes: global.yes, cancel };
    Box::pin(commands::run(command, &context)).await
}

/// Says what failed, on stderr and with `--json` on stdout too.
fn fail(error: &CommandError, command: &str, output: &Output) {
    if error.reported {
        return;
    }
    for line in error.lines() {
        output.error(&line);
    }
    if output.json {
        output.document(&output.scrub_values(&json!({ "command": command, "error": error.json() })));
    }
}

/// Clap's own answers: help and version on stdout with 0, mistakes on stderr with 2.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _gone = error.print();
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    // An argument in the wrong place may be a URL with its password.
    let output = Output::new(json, false, true);
    let text = error.render().to_string();
    // Without a verb, clap answers with the whole help.
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        output.error(text.trim_end());
        return ExitCode::from(Meaning::Usage.exit_code());
    }
    let hint = match error.kind() {
        ErrorKind::InvalidSubcommand => "`dbm help` lists the commands",
        _ => "`dbm help COMMAND` shows what it takes, with examples",
    };
    let told = text.replace("For more information, try '--help'.", "");
    let told = told.trim().strip_prefix("error: ").unwrap_or(told.trim()).to_owned();
    fail(&CommandError::usage(told).hint(hint), "dbm", &output);
    ExitCode::from(Meaning::Usage.exit_code())
}
