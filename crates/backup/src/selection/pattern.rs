use std::fmt;

use crate::{Error, ErrorKind, Result};

/// A pattern for names as psql and pg_dump write it: `orders`, `audit.*`, `log_?`, `a|b`, `"Mixed Case"`.
///
/// Outside double quotes letters are folded to lower case, `*` stands for any letters, `?` for one, `|` parts
/// alternatives, and a dot parts the namespace from the name. Without a dot the name is meant in every namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    namespace: Option<Glob>,
    name: Glob,
}

/// Alternatives, one of which has to match as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob(Vec<Vec<Token>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Letter(char),
    One,
    Any,
}

impl Pattern {
    /// A pattern for tables and what is like them, with or without a namespace.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no pattern.
    pub fn table(text: &str) -> Result<Self> {
        let mut parts = parts(text)?;
        let name = parts.pop().unwrap_or_else(|| Glob(Vec::new()));
        let namespace = parts.pop();
        if !parts.is_empty() {
            return Err(wrong(text, "it has more than a namespace and a name")
                .with_hint("a dot in a name stands in double quotes: 'shop.\"a.b\"'"));
        }
        Ok(Self { text: text.to_owned(), namespace, name })
    }

    /// A pattern for namespaces.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no pattern.
    pub fn schema(text: &str) -> Result<Self> {
        let mut parts = parts(text)?;
        let name = parts.pop().unwrap_or_else(|| Glob(Vec::new()));
        if !parts.is_empty() {
            return Err(wrong(text, "a namespace's name has no dot")
                .with_hint("a dot in a name stands in double quotes: '\"a.b\"'"));
        }
        Ok(Self { text: text.to_owned(), namespace: None, name })
    }

    /// Exactly that table, and no other.
    pub fn exactly(namespace: &str, name: &str) -> Self {
        let glob = |text: &str| Glob(vec![text.chars().map(Token::Letter).collect()]);
        Self { text: format!("{namespace}.{name}"), namespace: Some(glob(namespace)), name: glob(name) }
    }

    /// Whether the name is meant, and its namespace if the pattern names one.
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        self.name.matches(name) && self.namespace.as_ref().is_none_or(|glob| glob.matches(namespace))
    }

    /// Whether it names one thing and leaves no choice but that of the namespace.
    pub fn is_plain(&self) -> bool {
        let plain = |glob: &Glob| matches!(glob.0.as_slice(), [one] if one.iter().all(|token| matches!(token, Token::Letter(_))));
        plain(&self.name) && self.namespace.as_ref().is_none_or(plain)
    }
}

impl fmt::Display for Pattern {
    /// As it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Glob {
    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.0.iter().any(|tokens| matches(tokens, &name))
    }
}

/// Whether the tokens stand for the whole name; it goes back to the last `*` only, so it is never slow.
fn matches(tokens: &[Token], name: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match tokens.get(at) {
            Some(Token::Any) => {
                star = Some((at, read));
                at += 1;
                continue;
            }
            Some(Token::One) => {}
            Some(Token::Letter(letter)) if *letter == name[read] => {}
            _ => {
                let Some((token, from)) = star else { return false };
                star = Some((token, from + 1));
                (at, read) = (token + 1, from + 1);
                continue;
            }
        }
        at += 1;
        read += 1;
    }
    tokens[at..].iter().all(|token| *token == Token::Any)
}

/// The parts between the dots.
fn parts(text: &str) -> Result<Vec<Glob>> {
    let (mut parts, mut alternatives, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                tokens.push(Token::Letter('"'));
            }
            '"' => quoted = !quoted,
            _ if quoted => tokens.push(Token::Letter(letter)),
            '*' => tokens.push(Token::Any),
            '?' => tokens.push(Token::One),
            '|' => alternatives.push(std::mem::take(&mut tokens)),
            '.' => {
                alternatives.push(std::mem::take(&mut tokens));
                parts.push(Glob(std::mem::take(&mut alternatives)));
            }
            '[' | ']' | '(' | ')' | '{' | '}' | '+' | '^' | '\\' => {
                return Err(wrong(text, &format!("dbm's patterns have no `{letter}`"))
                    .with_hint("write *, ? and |, and put names with other signs into double quotes"));
            }
            _ => tokens.extend(letter.to_lowercase().map(Token::Letter)),
        }
    }
    if quoted {
        return Err(wrong(text, "a double quote is not closed"));
    }
    alternatives.push(tokens);
    parts.push(Glob(alternatives));
    if parts.iter().any(|part| part.0.iter().any(Vec::is_empty)) {
        return Err(wrong(text, "a name in it is empty").with_hint("every name is `*`"));
    }
    Ok(parts)
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("`{text}` is no pattern for names: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_psql_reads_them() {
        for (text, yes, no) in [
            ("orders", vec![("a", "orders"), ("b", "orders")], vec![("a", "orders2"), ("a", "Orders")]),
            ("ORDERS", vec![("a", "orders")], vec![("a", "ORDERS")]),
            ("\"Orders\"", vec![("a", "Orders")], vec![("a", "orders")]),
            ("a.*", vec![("a", "x"), ("a", "")], vec![("b", "x")]),
            ("*.log_?", vec![("a", "log_1")], vec![("a", "log_"), ("a", "log_12")]),
            ("x|y*z", vec![("a", "x"), ("a", "yz"), ("a", "yabz")], vec![("a", "xz"), ("a", "y")]),
            ("a|b.t", vec![("a", "t"), ("b", "t")], vec![("c", "t")]),
            ("\"a.b\".\"c\"\"d*\"", vec![("a.b", "c\"d*")], vec![("a.b", "c\"dx")]),
            ("a\"B\"c", vec![("n", "aBc")], vec![("n", "abc")]),
            ("cost$", vec![("n", "cost$")], vec![("n", "cost")]),
            ("*a*b*", vec![("n", "ab"), ("n", "xaxbx")], vec![("n", "ba")]),
        ] {
            let pattern = Pattern::table(text).unwrap();
            for (namespace, name) in yes {
                assert!(pattern.matches(namespace, name), "{text} on {namespace}.{name}");
            }
            for (namespace, name) in no {
                assert!(!pattern.matches(namespace, name), "{text} on {namespace}.{name}");
            }
        }
        assert!(Pattern::schema("au*").unwrap().matches("", "audit"));
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for text in ["", "a.b.c", "a.", ".b", "a||b", "[ab]", "\"open", "a+"] {
            let error = Pattern::table(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        }
        assert_eq!(Pattern::schema("a.b").unwrap_err().kind(), ErrorKind::Usage);
    }

    proptest! {
        #[test]
        fn a_quoted_name_matches_itself_and_nothing_else(name in "\\PC{1,12}", other in "\\PC{1,12}") {
            let pattern = Pattern::table(&format!("\"{}\"", name.replace('"', "\"\""))).unwrap();
            prop_assert!(pattern.matches("any", &name));
            prop_assert_eq!(pattern.matches("any", &other), name == other);
            prop_assert!(Pattern::exactly("n", &name).matches("n", &name));
        }
    }
}
