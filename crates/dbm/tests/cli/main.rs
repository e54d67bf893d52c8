//! The binary as a user meets it: whole standard output, standard error and status of commands.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod adopt;
mod answers;
mod generate;
mod harness;
mod life;
mod log;
mod postgres;
mod repeated;
mod reset;
mod runs;
mod schema;
mod secrets;
mod squash;
mod usage;
