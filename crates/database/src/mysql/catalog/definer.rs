//! In whose name an object acts.

use std::borrow::Cow;
use std::ops::Range;

use super::text::unquoted;
use crate::script::mysql::{Lexer, Quoting};

/// The clause of a statement that names the definer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definer {
    /// Where it stands in the statement: from `DEFINER` to the end of the account.
    pub place: Range<usize>,
    /// The account's name, or the role's.
    pub user: String,
    /// Its host; empty for a role.
    pub host: String,
}

/// A clause stands among the first words of a statement: `CREATE OR REPLACE ALGORITHM=UNDEFINED DEFINER=…`.
const WORDS: usize = 12;

/// The definer that a statement as the server prints it names.
pub fn definer(statement: &str) -> Option<Definer> {
    // Names are quoted by backticks or, under some modes, by double quotes.
    let mut lexer = Lexer::new(statement, Quoting { ansi: true, no_escapes: true });
    let mut next = || lexer.token().ok().flatten();
    let first = next()?;
    let word = |range: Range<usize>| &statement[range];
    if !["CREATE", "ALTER"].iter().any(|one| word(first.start..first.end).eq_ignore_ascii_case(one)) {
        return None;
    }
    for _ in 0..WORDS {
        let token = next()?;
        if !word(token.start..token.end).eq_ignore_ascii_case("DEFINER") {
            continue;
        }
        next()?;
        let user = next()?;
        let (mut end, mut host) = (user.end, String::new());
        if statement[user.end..].starts_with('@') {
            next()?;
            let token = next()?;
            host = unquoted(word(token.start..token.end));
            end = token.end;
        }
        return Some(Definer { place: token.start..end, user: unquoted(word(user.start..user.end)), host });
    }
    None
}

/// A statement that acts in the name of whoever runs it: without the clause, as if it had never named one.
pub fn without_definer(statement: &str) -> Cow<'_, str> {
    let Some(Definer { place, .. }) = definer(statement) else { return statement.into() };
    let rest = &statement[place.end..];
    format!("{}{}", &statement[..place.start], rest.strip_prefix(' ').unwrap_or(rest)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definers_are_found() {
        for (statement, clause, user, host) in [
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`ro``ot`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                "DEFINER=`ro``ot`@`%`",
                "ro`ot",
                "%",
            ),
            ("CREATE DEFINER=\"a\"@\"h\" PACKAGE \"p\" AS", "DEFINER=\"a\"@\"h\"", "a", "h"),
            ("ALTER DEFINER = `a`@`h` EVENT `e` ENABLE", "DEFINER = `a`@`h`", "a", "h"),
            ("CREATE DEFINER=`role` PROCEDURE p() SELECT 1", "DEFINER=`role`", "role", ""),
        ] {
            let found = definer(statement).unwrap();
            assert_eq!(
                (&statement[found.place], found.user.as_str(), found.host.as_str()),
                (clause, user, host)
            );
        }
        for none in
            ["CREATE TABLE `t` (`definer` int)", "SELECT 'DEFINER=`a`@`b`'", "CREATE VIEW v AS SELECT 1"]
        {
            assert_eq!(definer(none), None, "{none}");
        }
    }
}
