//! Taking secrets out of text before anybody sees it.

use std::fmt;

use crate::percent;

/// What stands where a secret was.
pub const MASK: &str = "***";

/// Secrets shorter than this are taken out only where they stand alone: an `a` in every word tells nobody anything.
const SHORT: usize = 4;

/// Knows the secrets of a command and takes them out of what is printed and logged.
///
/// A secret is found as it is, percent-encoded, and as SQL, JSON and Rust's `Debug` escape it; and
/// whatever stands as a password in a URL (`//user:password@`) is taken out, known or not.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first, so that no rest of one is left when another is its beginning.
    needles: Vec<String>,
}

impl Redactor {
    /// Takes out these secrets; empty ones are passed over.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        secrets.into_iter().for_each(|secret| redactor.add(secret.as_ref()));
        redactor
    }

    /// Takes out one more.
    pub fn add(&mut self, secret: &str) {
        let trimmed = secret.trim();
        for secret in [secret, trimmed] {
            if secret.is_empty() {
                continue;
            }
            let encoded = percent::encode(secret);
            let debug = format!("{secret:?}");
            let forms = [
                secret.to_owned(),
                encoded.to_lowercase(),
                encoded,
                secret.replace('\'', "''"),
                secret.replace('\\', "\\\\").replace('\'', "''"),
                secret.replace('\\', "\\\\").replace('"', "\\\""),
                debug[1..debug.len() - 1].to_owned(),
            ];
            self.needles.extend(forms);
        }
        self.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.needles.dedup();
    }

    /// The text with [`MASK`] in place of each secret.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = None;
        while let Some(character) = rest.chars().next() {
            let hit = self.needles.iter().find(|needle| {
                rest.starts_with(needle.as_str()) && {
                    let after = rest[needle.len()..].chars().next();
                    needle.chars().count() >= SHORT || !(is_word(before) || is_word(after))
                }
            });
            if let Some(needle) = hit {
                clean.push_str(MASK);
                rest = &rest[needle.len()..];
                before = None;
            } else {
                clean.push(character);
                rest = &rest[character.len_utf8()..];
                before = Some(character);
            }
        }
        scrub_urls(&clean)
    }
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

/// Takes the passwords out of `//user:password@host`.
///
/// The password ends at the last `@` before a blank or a quotation mark, as in a URL that is read leniently.
fn scrub_urls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (front, url) = rest.split_at(start + 3);
        clean.push_str(front);
        let end = url.find(|c: char| c.is_whitespace() || "\"`".contains(c)).unwrap_or(url.len());
        let account = url[..end].rfind('@').and_then(|at| Some((url[..at].find(':')?, at)));
        match account {
            Some((colon, at)) if !url[..colon].contains('/') => {
                clean.push_str(&url[..=colon]);
                clean.push_str(MASK);
                rest = &url[at..];
            }
            _ => rest = url,
        }
    }
    clean.push_str(rest);
    clean
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_in_every_form() {
        let redactor = Redactor::new(["p@ss'w\"o\\rd", ""]);
        for text in [
            "p@ss'w\"o\\rd",
            "p%40ss%27w%22o%5Crd",
            "p%40ss%27w%22o%5crd",
            "p@ss''w\"o\\\\rd",
            "p@ss''w\"o\\rd",
        ] {
            assert_eq!(redactor.scrub(&format!("<{text}>")), "<***>", "{text}");
        }
        assert_eq!(redactor.scrub(&format!("{:?}", "p@ss'w\"o\\rd")), "\"***\"");
        assert_eq!(format!("{redactor:?}"), "Redactor");
    }

    #[test]
    fn short_secrets_go_where_they_stand_alone() {
        let redactor = Redactor::new(["abc", "abcdef"]);
        assert_eq!(redactor.scrub("abc, abcdef, abcs, 'abc'"), "***, ***, abcs, '***'");
    }

    #[test]
    fn passwords_in_urls_go_though_nobody_knows_them() {
        let redactor = Redactor::default();
        assert_eq!(redactor.scrub("at postgres://u:a@b:c/d@host/db now"), "at postgres://u:***@host/db now");
        assert_eq!(
            redactor.scrub("postgres://u@host:5432/db https://x/y:z@a"),
            "postgres://u@host:5432/db https://x/y:z@a"
        );
    }

    proptest! {
        #[test]
        fn a_secret_is_never_seen(secret in "[!-~]{4,20}", before in "[a-z ]{0,10}", after in "[a-z ]{0,10}") {
            prop_assume!(!MASK.contains(&secret) && !before.contains(&secret) && !after.contains(&secret));
            let scrubbed = Redactor::new([&secret]).scrub(&format!("{before} {secret} {after}"));
            prop_assert_eq!(scrubbed, format!("{before} *** {after}"));
        }

        #[test]
        fn any_text_is_taken(secret: String, text: String) {
            Redactor::new([secret]).scrub(&text);
        }
    }
}
