use clap::{Args, Subcommand, ValueEnum};
use helpers::password::Algorithm;
use serde_json::json;

use crate::ask;
use crate::context::Context;
use crate::error::{CommandError, Result};

/// `dbm password encode|hash|generate`
#[derive(Debug, Args)]
#[command(
    after_help = "The password is asked for without an echo, or read from standard input: an argument would show
in the process list.

Examples:
  dbm password encode                          for a URL: p@ss becomes p%40ss
  printf %s \"$WORD\" | dbm password hash        argon2id, for a seeded user
  dbm password hash --algorithm scram-sha-256  a PostgreSQL role's verifier
  dbm password generate"
)]
pub(crate) struct Password {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Percent-encode it, so that it can stand in a URL
    #[command(after_help = "Example:\n  printf %s \"$WORD\" | dbm password encode")]
    Encode,
    /// Hash it, as an application or a server stores it
    #[command(after_help = "Examples:
  printf %s \"$WORD\" | dbm password hash
  dbm password hash --algorithm scram-sha-256")]
    Hash {
        /// How
        #[arg(long, short, value_enum, default_value_t = How::Argon2id)]
        algorithm: How,
    },
    /// Make one up
    #[command(after_help = "Example:\n  dbm password generate")]
    Generate,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    Argon2id,
    Scrypt,
    Bcrypt,
    #[value(name = "scram-sha-256")]
    ScramSha256,
}

impl Password {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let refused = |error: helpers::password::PasswordError| CommandError::failed(error.to_string());
        let answer = match &self.what {
            What::Encode => helpers::percent::encode(&ask::password(&context.cancel)?),
            What::Generate => helpers::password::generate(),
            What::Hash { algorithm } => {
                let password = ask::password(&context.cancel)?;
                let hash = |algorithm| helpers::password::hash(algorithm, &password);
                match algorithm {
                    How::Argon2id => hash(Algorithm::Argon2id),
                    How::Scrypt => hash(Algorithm::Scrypt),
                    How::Bcrypt => hash(Algorithm::Bcrypt),
                    How::ScramSha256 => helpers::password::scram_sha_256(&password),
                }
                .map_err(refused)?
            }
        };
        let document = json!({ "command": "password", "result": answer });
        context.output.answer(&document, &format!("{answer}\n"));
        Ok(())
    }
}
