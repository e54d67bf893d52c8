use database::script::{self, Lexeme, LexemeKind};
use database::{Column, Engine, Object};

use crate::clauses::{closing, span, split};

/// What a table's definition is made of, taken apart by tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Before the bracket: `CREATE TABLE "item"`.
    pub(super) head: String,
    /// Each column's name, and what its clause says after it.
    pub(super) columns: Vec<(String, String)>,
    /// Constraints and keys: the name if there is one, otherwise the clause itself, and the clause.
    pub(super) others: Vec<(String, String)>,
    /// After the closing bracket.
    pub(super) tail: String,
    /// The statements after it.
    pub(super) after: Vec<String>,
}

/// The words that a clause begins with that is no column. MySQL and MariaDB write every column's name in backticks.
const NO_COLUMN: &[&str] = &[
    "CONSTRAINT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "FOREIGN",
    "KEY",
    "INDEX",
    "FULLTEXT",
    "SPATIAL",
    "EXCLUDE",
    "PERIOD",
    "LIKE",
];

impl Parts {
    /// Takes a definition apart; `None` if it is not one `CREATE TABLE` with a list of its own, and what follows.
    pub(super) fn of(engine: Engine, definition: &str) -> Option<Self> {
        let statements = script::split(engine, definition).ok()?;
        let (first, after) = statements.split_first()?;
        let text = first.text;
        let lexemes = script::lexemes(engine, text).ok()?;
        let table = lexemes.iter().take(4).position(|lexeme| lexeme.is("TABLE"))?;
        let open = lexemes.iter().position(|lexeme| lexeme.is_sign(b'('))?;
        let close = closing(&lexemes, open);
        if !lexemes[0].is("CREATE")
            || open > table + 5
            || close >= lexemes.len()
            || after.iter().any(|next| next.text.starts_with("CREATE"))
        {
            return None;
        }
        let mut parts = Self {
            head: text[..place(text, &lexemes[open])].trim_end().to_owned(),
            tail: text[place(text, &lexemes[close]) + 1..].trim().to_owned(),
            after: after.iter().map(|next| next.text.to_owned()).collect(),
            ..Self::default()
        };
        for clause in split(&lexemes[open + 1..close]) {
            let whole = span(text, clause)?;
            let no_column = clause[0].kind == LexemeKind::Word
                && (engine == Engine::Mysql || NO_COLUMN.iter().any(|word| clause[0].is(word)));
            if no_column {
                let named = clause[0].is("CONSTRAINT").then(|| clause.get(1)?.identifier()).flatten();
                parts.others.push((named.unwrap_or_else(|| whole.clone()), whole));
            } else {
                let rest = span(text, &clause[1..]).unwrap_or_default();
                parts.columns.push((clause[0].identifier()?, rest));
            }
        }
        Some(parts)
    }

    /// What the clause of a column says after its name.
    pub(super) fn column(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|(own, _)| own == name).map(|(_, rest)| rest.as_str())
    }

    /// The clause of a constraint or key.
    pub(super) fn other(&self, name: &str) -> Option<&str> {
        self.others.iter().find(|(own, _)| own == name).map(|(_, clause)| clause.as_str())
    }

    /// In the form in which two are compared where the order of columns cannot be changed.
    pub(super) fn unordered(&self) -> String {
        let mut columns: Vec<String> =
            self.columns.iter().map(|(name, rest)| format!("{name:?} {rest}")).collect();
        let mut others: Vec<&str> = self.others.iter().map(|(_, clause)| clause.as_str()).collect();
        let mut after: Vec<&str> = self.after.iter().map(String::as_str).collect();
        columns.sort_unstable();
        others.sort_unstable();
        after.sort_unstable();
        let (columns, others, after) = (columns.join(",\n"), others.join(",\n"), after.join(";\n"));
        format!("{}(\n{columns}\n{others})\n{};\n{after}", self.head, self.tail)
    }
}

/// The columns of an object, if it is a table.
pub(super) fn columns(object: &Object) -> &[Column] {
    object.table.as_deref().map_or(&[], |table| table.columns.as_slice())
}

/// Where in its text a token is.
fn place(text: &str, lexeme: &Lexeme<'_>) -> usize {
    lexeme.text.as_ptr() as usize - text.as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_apart() {
        let text = "CREATE TABLE \"s\".\"t\" (\n \"a\" numeric(3,2) DEFAULT f(1, ')'::text),\n \"check\" int,\n CONSTRAINT \"k\" \
                    CHECK ((a > 0))\n)\nWITH (x='1');\nALTER TABLE ONLY \"s\".\"t\" ALTER COLUMN \"a\" SET STATISTICS 3;\n";
        let parts = Parts::of(Engine::Postgres, text).unwrap();
        assert_eq!(parts.head, "CREATE TABLE \"s\".\"t\"");
        assert_eq!(parts.column("a"), Some("numeric(3,2) DEFAULT f(1, ')'::text)"));
        assert_eq!(parts.column("check"), Some("int"));
        assert_eq!(parts.other("k"), Some("CONSTRAINT \"k\" CHECK ((a > 0))"));
        assert_eq!((parts.tail.as_str(), parts.after.len()), ("WITH (x='1')", 1));
        let other = text.replace("\"check\" int,\n", "").replace("(\n \"a\"", "(\n \"check\" int,\n \"a\"");
        assert_eq!(Parts::of(Engine::Postgres, &other).unwrap().unordered(), parts.unordered());
        assert_eq!(Parts::of(Engine::Postgres, "CREATE TABLE a AS SELECT 1"), None);
    }
}
