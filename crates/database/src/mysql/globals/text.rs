//! What `SHOW CREATE USER` and `SHOW GRANTS` print, taken apart.

/// The places of a text's words outside of what is quoted.
pub(super) fn find(text: &str, word: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'`' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
                }
                // A doubled quote begins the next stretch, and is skipped like it.
                at += 1;
            }
            _ if text.is_char_boundary(at) && text[at..].starts_with(word) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// The first of several words that comes, or the end.
fn first_of(text: &str, words: &[&str]) -> usize {
    words.iter().filter_map(|word| find(text, word)).min().unwrap_or(text.len())
}

/// Takes a clause out that begins with a word and ends before one of others.
fn take(text: &mut String, word: &str, ends: &[&str]) -> Option<String> {
    let start = find(text, word)?;
    let end = start + word.len() + first_of(&text[start + word.len()..], ends);
    let clause = text[start..end].to_owned();
    text.replace_range(start..end, "");
    Some(clause)
}

/// What follows how an account is told from others.
const AFTER: [&str; 6] =
    [" REQUIRE ", " WITH ", " PASSWORD EXPIRE", " ACCOUNT ", " DEFAULT ROLE ", " PASSWORD "];

/// How MariaDB prints a hash of the oldest kind.
const BY_PASSWORD: &str = " IDENTIFIED BY PASSWORD ";

/// `CREATE USER` without a clause of roles, and that clause: they have to be granted first.
pub(super) fn without_default_role(create: &str) -> (String, Option<String>) {
    let mut create = create.to_owned();
    let clause = take(&mut create, " DEFAULT ROLE ", &[" REQUIRE "]);
    (create, clause.map(|clause| clause.trim().to_owned()))
}

/// `CREATE USER` without what a password could be guessed from, and whether there was any; then it is locked.
pub(super) fn without_password(create: &str) -> (String, bool) {
    let mut create = create.to_owned();
    // MariaDB lists several ways to log in after one word; MySQL's plugin stands before its secret.
    let secret =
        |clause: &str| [" USING ", " AS ", " BY PASSWORD "].iter().any(|word| find(clause, word).is_some());
    let Some(start) = find(&create, " IDENTIFIED ") else { return (create, false) };
    // `BY PASSWORD` holds one of the words that would end it.
    let head = if create[start..].starts_with(BY_PASSWORD) { BY_PASSWORD } else { " IDENTIFIED " };
    let from = start + head.len();
    let plugin = find(&create[start..], " IDENTIFIED WITH ").is_some();
    let ends = if plugin { &[" REQUIRE ", " DEFAULT ROLE "][..] } else { &AFTER[..] };
    let end = from + first_of(&create[from..], ends);
    let clause = create[start..end].to_owned();
    if !secret(&clause) {
        return (create, false);
    }
    // Of MySQL the plugin stays, by which a new password is hashed.
    let kept = clause
        .strip_prefix(" IDENTIFIED WITH ")
        .and_then(|rest| Some(rest[..find(rest, " AS ")?].to_owned()));
    create.replace_range(
        start..end,
        &kept.map_or_else(String::new, |plugin| format!(" IDENTIFIED WITH {plugin}")),
    );
    match find(&create, " ACCOUNT UNLOCK") {
        Some(at) => create.replace_range(at..at + " ACCOUNT UNLOCK".len(), " ACCOUNT LOCK"),
        None if find(&create, " ACCOUNT LOCK").is_none() => create.push_str(" ACCOUNT LOCK"),
        None => {}
    }
    (create, true)
}

/// A line of `SHOW GRANTS` without how the account logs in, which stands elsewhere.
pub(super) fn grant(line: &str) -> String {
    let Some(at) = find(line, " IDENTIFIED ").or_else(|| find(line, " REQUIRE ")) else {
        return line.to_owned();
    };
    let option = if find(&line[at..], "GRANT OPTION").is_some() { " WITH GRANT OPTION" } else { "" };
    format!("{}{option}", &line[..at])
}

/// Whether a grant is on one table or routine.
pub(super) fn is_on_object(grant: &str) -> bool {
    // What MySQL takes out of what is given on everything (`partial_revokes`) belongs to that.
    if grant.starts_with("REVOKE ") {
        return false;
    }
    let Some(at) = find(grant, " ON ") else { return false };
    let rest = &grant[at + 4..];
    let end = find(rest, " TO ").unwrap_or(rest.len());
    !rest[..end].ends_with(".*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        for (create, expected) in [
            (
                "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL",
                "CREATE USER `a`@`%` REQUIRE SSL ACCOUNT LOCK",
            ),
            (
                "CREATE USER `a`@`%` IDENTIFIED VIA ed25519 USING 'x WITH y' OR unix_socket WITH MAX_USER_CONNECTIONS 3",
                "CREATE USER `a`@`%` WITH MAX_USER_CONNECTIONS 3 ACCOUNT LOCK",
            ),
            (
                "CREATE USER `a AS ``b`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0xAB REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT",
                "CREATE USER `a AS ``b`@`%` IDENTIFIED WITH 'caching_sha2_password' REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT LOCK PASSWORD HISTORY DEFAULT",
            ),
        ] {
            assert_eq!(without_password(create), (expected.to_owned(), true));
        }
        for create in
            ["CREATE USER `a`@`%`", "CREATE USER `a`@`%` IDENTIFIED VIA unix_socket", "CREATE ROLE `r`"]
        {
            assert_eq!(without_password(create), (create.to_owned(), false));
        }
    }

    #[test]
    fn grants_say_only_what_is_granted() {
        assert_eq!(
            grant(
                "GRANT SELECT ON *.* TO `a IDENTIFIED `@`%` IDENTIFIED BY PASSWORD '*A' REQUIRE SSL WITH GRANT OPTION"
            ),
            "GRANT SELECT ON *.* TO `a IDENTIFIED `@`%` WITH GRANT OPTION"
        );
        assert_eq!(grant("GRANT `r` TO `a`@`%` WITH ADMIN OPTION"), "GRANT `r` TO `a`@`%` WITH ADMIN OPTION");
        assert!(is_on_object("GRANT SELECT (`a`), INSERT ON `s`.`t` TO `a`@`%`"));
        assert!(is_on_object("GRANT EXECUTE ON PROCEDURE `s`.`p` TO `a`@`%`"));
        assert!(!is_on_object("GRANT ALL PRIVILEGES ON `s`.* TO `a`@`%`"));
        assert!(!is_on_object("GRANT `r`@`%` TO `a`@`%`"));
        assert!(!is_on_object("REVOKE SELECT ON `s`.* FROM `a`@`%`"));
    }

    #[test]
    fn roles_from_the_start_come_after_they_are_granted() {
        let (create, roles) = without_default_role(
            "CREATE USER `a`@`%` IDENTIFIED WITH 'x' AS 'y' DEFAULT ROLE `r`@`%`,`s`@`%` REQUIRE NONE",
        );
        assert_eq!(create, "CREATE USER `a`@`%` IDENTIFIED WITH 'x' AS 'y' REQUIRE NONE");
        assert_eq!(roles.as_deref(), Some("DEFAULT ROLE `r`@`%`,`s`@`%`"));
    }
}
