//! A `.env` file: `NAME=value` lines as shells and other tools read them.
//!
//! Own and small because the usual crate is unmaintained: comments, `export`, single quotes (taken
//! as they are), double quotes (with `\n \t \r \" \\ \$` and over several lines). Nothing is
//! expanded: a `$` in a password is a `$`.

use std::collections::BTreeMap;

/// What is wrong with a line. Never quotes the value, which may be a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct DotenvError {
    line: usize,
    what: &'static str,
}

/// The variables of the file's text; a later one of the same name wins.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, DotenvError> {
    let mut variables = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let wrong = |what| DotenvError { line: number + 1, what };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line
            .strip_prefix("export")
            .filter(|rest| rest.starts_with(char::is_whitespace))
            .map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or(wrong("there is no `=`"))?;
        let name = name.trim_end();
        let first = name.chars().next().ok_or(wrong("there is no name before `=`"))?;
        if !(first.is_ascii_alphabetic() || first == '_')
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(wrong("the name is not made of letters, digits and `_`"));
        }
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some('\'') => {
                let (inside, after) =
                    value[1..].split_once('\'').ok_or(wrong("the single quote is not closed"))?;
                end(after).map_err(wrong)?;
                inside.to_owned()
            }
            Some('"') => {
                let mut raw = value[1..].to_owned();
                loop {
                    if let Some((inside, after)) = double_quoted(&raw) {
                        end(after).map_err(wrong)?;
                        break inside;
                    }
                    let (_, next) = lines.next().ok_or(wrong("the double quote is not closed"))?;
                    raw.push('\n');
                    raw.push_str(next);
                }
            }
            _ => bare(value).to_owned(),
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// An unquoted value ends at a `#` that follows a blank.
fn bare(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || value[..at].ends_with(char::is_whitespace)));
    value[..comment.map_or(value.len(), |(at, _)| at)].trim_end()
}

/// What stands between the quotes, unescaped, and what follows; none if the quote is not closed.
fn double_quoted(raw: &str) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut characters = raw.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((inside, &raw[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => inside.push('\n'),
                't' => inside.push('\t'),
                'r' => inside.push('\r'),
                c @ ('"' | '\\' | '$' | '`') => inside.push(c),
                c => inside.extend(['\\', c]),
            },
            c => inside.push(c),
        }
    }
    None
}

fn end(after: &str) -> Result<(), &'static str> {
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') { Ok(()) } else { Err("text follows the closing quote") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_export_and_comments() {
        let text = "\u{feff}# a comment\r\n\r\nA=1\r\nexport B = two words # not this\nC='s # $X \"q\"' # c\n\
                    D=\"a\\n\\\"b\\\" \\$5 # in\" # out\nE=p#w\nF=\nG=\"two\nlines\"\nexported=x\nA=last\n";
        let found = parse(text).unwrap();
        let expected = [
            ("A", "last"),
            ("B", "two words"),
            ("C", "s # $X \"q\""),
            ("D", "a\n\"b\" $5 # in"),
            ("E", "p#w"),
            ("F", ""),
            ("G", "two\nlines"),
            ("exported", "x"),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (text, what) in [
            ("A=1\nhunter2", "line 2: there is no `=`"),
            ("=hunter2", "line 1: there is no name before `=`"),
            ("1A=hunter2", "line 1: the name is not made of letters, digits and `_`"),
            ("A='hunter2", "line 1: the single quote is not closed"),
            ("A=\"hunter2", "line 1: the double quote is not closed"),
            ("A='x'hunter2", "line 1: text follows the closing quote"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), what);
        }
    }
}
