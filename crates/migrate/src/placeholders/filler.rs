use std::collections::BTreeMap;
use std::path::Path;

use backup::{Error, ErrorKind, Result};
use database::Engine;
use helpers::password::{self, Algorithm};

use super::{Configured, Filled, MadePassword, Variables};

/// Fills in placeholders, and remembers the secrets that it filled in.
pub(crate) struct Filler<'a> {
    engine: Engine,
    configured: &'a Configured,
    variables: &'a dyn Variables,
    made: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl<'a> Filler<'a> {
    /// A filler for one run: a password that is made up for a variable is the same wherever it is named.
    pub(crate) fn new(engine: Engine, configured: &'a Configured, variables: &'a dyn Variables) -> Self {
        Self { engine, configured, variables, made: BTreeMap::new(), secrets: Vec::new() }
    }

    /// The values that no message may hold: from the environment, passwords and their hashes.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Fills in a file's text. Lines that are comments stay as they are; `${{name}}` stands for `${name}` itself, and so on:
    /// each further pair of braces takes one away.
    ///
    /// # Errors
    /// A placeholder without a value, with file and line.
    pub(crate) fn fill(&mut self, text: &str, path: &Path) -> Result<Filled> {
        let mut filled = Filled { text: String::with_capacity(text.len()), ..Filled::default() };
        let mut added = 0;
        for (place, line) in text.split_inclusive('\n').enumerate() {
            let number = place + 1;
            if is_comment(line) || !line.contains("${") {
                filled.text.push_str(line);
                continue;
            }
            let mut rest = line;
            while let Some(start) = rest.find("${") {
                filled.text.push_str(&rest[..start]);
                rest = &rest[start..];
                let Some((length, value)) =
                    self.value(rest, &mut filled.made).map_err(|(message, hint)| {
                        let message = format!("{}, line {}: {message}", path.display(), number);
                        Error::new(ErrorKind::Refused, message).with_hint(hint)
                    })?
                else {
                    filled.text.push_str("${");
                    rest = &rest[2..];
                    continue;
                };
                let lines = value.matches('\n').count();
                filled.text.push_str(&value);
                if lines > 0 {
                    added += lines;
                    filled.shifts.push((number + added, added));
                }
                rest = &rest[length..];
            }
            filled.text.push_str(rest);
        }
        Ok(filled)
    }

    /// The placeholder that `text` begins with: its length and its value; `None` if it is not one.
    fn value(
        &mut self,
        text: &str,
        made: &mut Vec<MadePassword>,
    ) -> Result<Option<(usize, String)>, (String, String)> {
        let Some(Braced { pairs, name, length, closed }) = Braced::begins(text) else { return Ok(None) };
        if !closed {
            return Ok(Some((length, text[..length].to_owned())));
        }
        if pairs > 1 {
            // Without the outermost pair.
            return Ok(Some((length, format!("${}", &text[2..length - 1]))));
        }
        let value = if let Some(variable) = name.strip_prefix("env:") {
            let value = self.variables.variable(variable).ok_or_else(|| unset(variable))?;
            self.secrets.push(value.clone());
            value
        } else if let Some(wanted) = name.strip_prefix("password:") {
            self.password(wanted, made)?
        } else {
            self.configured.get(self.engine, name).map(str::to_owned).ok_or_else(|| {
                (
                    format!("the placeholder `${{{name}}}` has no value"),
                    format!(
                        "give it one in dbm.toml under [placeholders] or [placeholders.{}]; to write it as it is: ${{{{{name}}}}}",
                        self.engine
                    ),
                )
            })?
        };
        Ok(Some((length, value)))
    }

    fn password(&mut self, wanted: &str, made: &mut Vec<MadePassword>) -> Result<String, (String, String)> {
        let forms = "write ${password:argon2id:VARIABLE} with argon2id, scrypt or bcrypt, and `:-generate` after the \
                     variable where a password may be made up";
        let bad = || (format!("`${{password:{wanted}}}` is not understood"), forms.to_owned());
        let (algorithm, variable) = wanted.split_once(':').ok_or_else(bad)?;
        let algorithm = match algorithm {
            "argon2id" => Algorithm::Argon2id,
            "scrypt" => Algorithm::Scrypt,
            "bcrypt" => Algorithm::Bcrypt,
            _ => return Err(bad()),
        };
        let (variable, generate) = match variable.split_once(":-") {
            Some((variable, "generate")) => (variable, true),
            Some(_) => return Err(bad()),
            None => (variable, false),
        };
        if !is_name(variable) {
            return Err(bad());
        }
        let given = self.variables.variable(variable).filter(|value| !value.is_empty());
        let is_given = given.is_some();
        let password = match given {
            Some(password) => password,
            None if generate => {
                self.made.entry(variable.to_owned()).or_insert_with(password::generate).clone()
            }
            None => return Err(unset(variable)),
        };
        let hash = password::hash(algorithm, &password).map_err(|error| {
            (format!("cannot hash the password in {variable}: {error}"), "choose another".to_owned())
        })?;
        self.secrets.extend([password.clone(), hash.clone()]);
        if !is_given {
            made.push(MadePassword { variable: variable.to_owned(), password, hash: hash.clone() });
        }
        Ok(hash)
    }
}

fn unset(variable: &str) -> (String, String) {
    (
        format!("the environment variable {variable} is not set"),
        format!("set it for this command: {variable}=… dbm …, or write it into .env"),
    )
}

/// A placeholder in its braces, one pair or more.
struct Braced<'t> {
    pairs: usize,
    name: &'t str,
    /// Up to the last brace that is its own.
    length: usize,
    /// Whether as many braces close as are open; otherwise it stays as it is.
    closed: bool,
}

impl<'t> Braced<'t> {
    /// The one that a line's `text` begins with; `None` where that is something else.
    fn begins(text: &'t str) -> Option<Self> {
        let braces = |text: &str, brace: char| text.len() - text.trim_start_matches(brace).len();
        let pairs = braces(text.strip_prefix('$')?, '{');
        let inner = &text[1 + pairs..];
        let name = &inner[..inner.find('}')?];
        if pairs == 0 || !is_placeholder(name) {
            return None;
        }
        let closing = braces(&inner[name.len()..], '}').min(pairs);
        Some(Self { pairs, name, length: 1 + pairs + name.len() + closing, closed: closing == pairs })
    }
}

/// The text whose placeholders stand for themselves when it is filled in: filled in, it is what it was.
pub(crate) fn escape(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| if is_comment(line) { line.to_owned() } else { escape_line(line) })
        .collect()
}

fn escape_line(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("${") {
        escaped.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = match Braced::begins(rest) {
            Some(Braced { length, closed: true, .. }) => {
                escaped.push_str(&format!("${{{}}}", &rest[1..length]));
                length
            }
            found => {
                let length = found.map_or(2, |open| open.length);
                escaped.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    escaped + rest
}

/// What stands as `${…}` where it would be filled in: its line, and what is between the braces, a placeholder or not.
pub(crate) fn braced(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !is_comment(line));
    let all = lines.flat_map(|(number, line)| {
        line.split("${").skip(1).filter_map(move |rest| Some((number, rest.split_once('}')?.0)))
    });
    all.filter(|(_, name)| !name.starts_with('{'))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("--")
}

/// Whether `${name}` is filled in, and does not stand for itself.
pub(crate) fn is_placeholder(name: &str) -> bool {
    name.strip_prefix("env:").map_or_else(|| name.starts_with("password:") || is_name(name), is_name)
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Fixed;

    impl Variables for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "LINES" => Some("a\nb\nc".to_owned()),
                "SECRET" => Some("hunter2".to_owned()),
                _ => None,
            }
        }
    }

    fn configured() -> Configured {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Configured {
            common: BTreeMap::from([pair("id", "integer PRIMARY KEY"), pair("now", "CURRENT_TIMESTAMP")]),
            engines: HashMap::from([(Engine::Postgres, BTreeMap::from([pair("id", "bigserial")]))]),
        }
    }

    fn fill(engine: Engine, text: &str) -> Result<Filled> {
        Filler::new(engine, &configured(), &Fixed).fill(text, Path::new("001_a.sql"))
    }

    #[test]
    fn by_engine_then_common() {
        let text = "id ${id}, at ${now}";
        assert_eq!(fill(Engine::Postgres, text).unwrap().text, "id bigserial, at CURRENT_TIMESTAMP");
        assert_eq!(fill(Engine::Sqlite, text).unwrap().text, "id integer PRIMARY KEY, at CURRENT_TIMESTAMP");
    }

    #[test]
    fn what_is_no_placeholder_stays() {
        for text in ["$${\"a\": 1}$$", "$1 ${ id } ${} ${1} $", "-- ${nobody} knows", "'${{id}' ${"] {
            assert_eq!(fill(Engine::Sqlite, text).unwrap().text, text);
        }
        assert_eq!(fill(Engine::Sqlite, "'${{id}} ${id}'").unwrap().text, "'${id} integer PRIMARY KEY'");
    }

    #[test]
    fn a_missing_value_is_an_error_with_its_line() {
        let error = fill(Engine::Sqlite, "SELECT 1;\nSELECT ${nobody};").unwrap_err();
        assert_eq!(error.to_string(), "001_a.sql, line 2: the placeholder `${nobody}` has no value");
        assert!(error.hint().unwrap().contains("${{nobody}}"));
        let error = fill(Engine::Sqlite, "${env:NONE}").unwrap_err();
        assert!(error.to_string().contains("NONE is not set"), "{error}");
        assert!(fill(Engine::Sqlite, "${password:md5:SECRET}").is_err());
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let filled = fill(Engine::Sqlite, "one\n'${env:LINES}' x\nthree").unwrap();
        assert_eq!(filled.text, "one\n'a\nb\nc' x\nthree");
        let lines: Vec<usize> = (1..=5).map(|line| filled.line_in_file(line)).collect();
        assert_eq!(lines[0], 1);
        assert_eq!(lines[1], 2);
        assert_eq!(lines[3..], [2, 3]);
    }

    #[test]
    fn passwords_are_hashed_and_made_up_once() {
        let configured = Configured::default();
        let mut filler = Filler::new(Engine::Sqlite, &configured, &Fixed);
        let path = Path::new("001_a.sql");
        let given = filler.fill("'${password:argon2id:SECRET}'", path).unwrap();
        assert!(given.text.starts_with("'$argon2id$"), "{}", given.text);
        assert!(given.made.is_empty());
        let text = "${password:argon2id:ADMIN:-generate} ${password:bcrypt:ADMIN:-generate}";
        let made = filler.fill(text, path).unwrap().made;
        let again = filler.fill(text, path).unwrap().made;
        let mut passwords: Vec<_> = made.iter().chain(&again).map(|made| &made.password).collect();
        assert_eq!(passwords.len(), 4);
        passwords.dedup();
        assert_eq!(passwords.len(), 1);
        assert!(filler.secrets().contains(&"hunter2".to_owned()));
        assert!(!format!("{made:?}").contains(&made[0].password));
    }

    #[test]
    fn each_pair_of_braces_takes_one_away() {
        for (text, filled) in [
            ("${{id}}", "${id}"),
            ("${{{id}}}", "${{id}}"),
            ("${{{{env:NONE}}}}", "${{{env:NONE}}}"),
            ("${{id}}}", "${id}}"),
            ("${{{id}}", "${{{id}}"),
        ] {
            assert_eq!(fill(Engine::Sqlite, text).unwrap().text, filled, "{text}");
        }
    }

    #[test]
    fn only_what_would_be_filled_in_is_escaped() {
        for (text, escaped) in [
            ("${id} ${{id}}", "${{id}} ${{{id}}}"),
            ("${ id } ${} $${\"a\"}$$ ${{id}", "${ id } ${} $${\"a\"}$$ ${{id}"),
            ("-- ${id}\n'${id}'", "-- ${id}\n'${{id}}'"),
            ("${password:\n}", "${password:\n}"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    proptest::proptest! {
        /// What is escaped and filled in is what it was, whatever it is.
        #[test]
        fn filling_undoes_escaping(parts in proptest::collection::vec(
            proptest::sample::select(&[
                "$", "{", "}", "${", "}}", "${{", "{{", "id", "now", "env:", "SECRET", "password:", "argon2id:", "-", "--", ".", " ",
                "\n", "'", "1", "é",
            ][..]), 0..20)) {
            let text = parts.concat();
            let filled = fill(Engine::Sqlite, &escape(&text));
            proptest::prop_assert_eq!(filled.map(|filled| filled.text).map_err(|error| error.to_string()), Ok(text));
        }
    }
}
