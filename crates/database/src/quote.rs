//! Quoting names and values for SQL: the one place that does it.
//!
//! A NUL, which no Postgres name or text can hold, is left as it is: the drivers refuse to send it.

#[cfg(test)]
mod tests;

use crate::Engine;

/// A name as the engine quotes it, always quoted: `"user"`, on MySQL `` `user` ``.
pub fn identifier(engine: Engine, name: &str) -> String {
    let quote = if engine == Engine::Mysql { '`' } else { '"' };
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push(quote);
    for character in name.chars() {
        if character == quote {
            quoted.push(quote);
        }
        quoted.push(character);
    }
    quoted.push(quote);
    quoted
}

/// Names joined by dots, each quoted; empty ones are left out: `"public"."user"`.
pub fn qualified(engine: Engine, names: &[&str]) -> String {
    let quoted: Vec<String> =
        names.iter().filter(|name| !name.is_empty()).map(|name| identifier(engine, name)).collect();
    quoted.join(".")
}

/// A text as a literal of the engine, whatever it holds and however the server is set.
///
/// Postgres: `E''` where there is a backslash, so that `standard_conforming_strings` does not matter.
/// MySQL: as hex where there is a backslash, so that `NO_BACKSLASH_ESCAPES` does not matter.
/// SQLite: as hex where there is a NUL, which would end the statement.
pub fn literal(engine: Engine, text: &str) -> String {
    let doubled = || text.replace('\'', "''");
    match engine {
        Engine::Postgres if text.contains('\\') => format!("E'{}'", doubled().replace('\\', "\\\\")),
        Engine::Mysql if text.contains('\\') => format!("CONVERT(X'{}' USING utf8mb4)", hex(text)),
        Engine::Sqlite if text.contains('\0') => format!("CAST(x'{}' AS TEXT)", hex(text)),
        _ => format!("'{}'", doubled()),
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}
