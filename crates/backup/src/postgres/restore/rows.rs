//! A block of rows as it stands in an archive: `COPY … FROM stdin;`, the rows, `\.`.

use std::ops::Range;

use crate::{Error, ErrorKind, Result};

/// What a `COPY … FROM stdin` says before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyHead {
    /// The table's namespace and name, or its name alone.
    pub(crate) table: Vec<String>,
    /// The columns in the order of the rows' values; empty if none are named.
    pub(crate) columns: Vec<String>,
    /// What follows `FROM stdin`, as it is: options in parentheses, or nothing.
    pub(crate) options: String,
}

/// One block of rows in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The statement, without its semicolon.
    pub(crate) statement: String,
    /// What it says.
    pub(crate) head: CopyHead,
    /// Where the rows are in the part, each with its line end, without the closing `\.`.
    pub(crate) rows: Range<usize>,
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Refused, format!("a part of rows is not what dbm writes: {why}")).with_hint(
        "the archive was not written by dbm, or was changed and its hashes made anew; do not restore it",
    )
}

/// Cuts a part of the data section into its blocks.
///
/// Names may hold line ends, quotes and semicolons, so the head is read token by token and not line by line.
///
/// # Errors
/// [`ErrorKind::Refused`] for anything but whole blocks: another statement, `COPY` from elsewhere, a missing `\.`.
pub(crate) fn blocks(part: &[u8]) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut at = 0;
    loop {
        at += part[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if at == part.len() {
            return Ok(blocks);
        }
        let end = statement_end(&part[at..]).ok_or_else(|| refused("a statement without its end"))?;
        let statement =
            std::str::from_utf8(&part[at..at + end]).map_err(|_| refused("a name that is not UTF-8"))?;
        let head = CopyHead::parse(statement)?;
        let start = at + end + 1;
        if part.get(start) != Some(&b'\n') {
            return Err(refused("rows that do not begin on a line of their own"));
        }
        let start = start + 1;
        let rows = start
            ..start + rows_end(&part[start..]).ok_or_else(|| refused("rows without their closing line"))?;
        at = rows.end + b"\\.\n".len();
        blocks.push(Block { statement: statement.to_owned(), head, rows });
    }
}

/// Where the `;` is that ends the statement.
fn statement_end(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    text.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b';' && !quoted
    })
}

/// Where the line `\.` begins.
fn rows_end(text: &[u8]) -> Option<usize> {
    let begins_a_line = |&at: &usize| at == 0 || text[at - 1] == b'\n';
    memchr::memmem::find_iter(text, b"\\.\n").find(begins_a_line)
}

impl CopyHead {
    fn parse(statement: &str) -> Result<Self> {
        let mut tokens = Tokens(statement);
        tokens.word("COPY")?;
        let mut table = vec![tokens.name()?];
        if tokens.skip('.') {
            table.push(tokens.name()?);
        }
        let mut columns = Vec::new();
        if tokens.skip('(') {
            loop {
                columns.push(tokens.name()?);
                if tokens.skip(')') {
                    break;
                }
                if !tokens.skip(',') {
                    return Err(refused("a list of columns without its end"));
                }
            }
        }
        tokens.word("FROM")?;
        tokens.word("stdin")?;
        let options = tokens.0.trim();
        let harmless = |c: char| c.is_ascii_alphanumeric() || " (),'_-".contains(c);
        if !options.chars().all(harmless) {
            return Err(refused("a COPY with options that dbm does not write"));
        }
        Ok(Self { table, columns, options: options.to_owned() })
    }
}

/// What is left of the statement.
struct Tokens<'a>(&'a str);

impl Tokens<'_> {
    fn skip(&mut self, punctuation: char) -> bool {
        let rest = self.0.trim_start();
        let found = rest.strip_prefix(punctuation);
        self.0 = found.unwrap_or(rest);
        found.is_some()
    }

    /// Takes exactly this word.
    fn word(&mut self, word: &str) -> Result<()> {
        let rest = self.0.trim_start();
        let length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        if !rest[..length].eq_ignore_ascii_case(word) {
            return Err(refused(format_args!("only `COPY … FROM stdin` is allowed, and {word} is missing")));
        }
        self.0 = &rest[length..];
        Ok(())
    }

    /// Takes a name, quoted or plain.
    fn name(&mut self) -> Result<String> {
        let rest = self.0.trim_start();
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let length =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            if length == 0 {
                return Err(refused("a name is missing"));
            }
            self.0 = &rest[length..];
            return Ok(rest[..length].to_lowercase());
        };
        let mut name = String::new();
        loop {
            let end = quoted.find('"').ok_or_else(|| refused("a name without its closing quote"))?;
            name.push_str(&quoted[..end]);
            quoted = &quoted[end + 1..];
            let Some(rest) = quoted.strip_prefix('"') else { break };
            name.push('"');
            quoted = rest;
        }
        self.0 = quoted;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let part = b"COPY \"a;b\n\"\"c\".\"COPY x FROM PROGRAM\" (id, \"x,)\ny\") FROM stdin;\n1\ta;\\n\n\\N\t\\\\.\n\\.\n";
        let found = blocks(part).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].head.table, ["a;b\n\"c", "COPY x FROM PROGRAM"]);
        assert_eq!(found[0].head.columns, ["id", "x,)\ny"]);
        assert_eq!(&part[found[0].rows.clone()], b"1\ta;\\n\n\\N\t\\\\.\n");
    }

    #[test]
    fn several_blocks_and_none() {
        let part = b"COPY public.t (a) FROM stdin;\n\\.\n\nCOPY u FROM stdin;\n1\n\\.\n";
        let found = blocks(part).unwrap();
        assert_eq!(
            found.iter().map(|block| part[block.rows.clone()].to_vec()).collect::<Vec<_>>(),
            [b"".to_vec(), b"1\n".to_vec()]
        );
        assert_eq!(blocks(b"\n").unwrap(), []);
    }

    #[test]
    fn anything_else_is_refused() {
        for part in [
            "COPY t (a) FROM PROGRAM 'touch /tmp/x';\n\\.\n",
            "COPY t (a) FROM '/etc/passwd';\n\\.\n",
            "COPY t (a) TO stdout;\n",
            "COPY (SELECT 1) TO PROGRAM 'x';\n\\.\n",
            "COPY t (a) FROM stdin;\n1\n",
            "COPY t (a) FROM stdin; DROP TABLE t;\n1\n\\.\n",
            "COPY t (a) FROM stdin WHERE f(a) = $$x$$;\n1\n\\.\n",
            "DROP TABLE t;\n",
            "\\! touch /tmp/x\n",
            "COPY t (a) FROM stdin;\n1\n\\.\n\\! touch /tmp/x\n",
            "COPY \"t (a) FROM stdin;\n1\n\\.\n",
        ] {
            assert!(blocks(part.as_bytes()).is_err(), "{part}");
        }
    }
}
