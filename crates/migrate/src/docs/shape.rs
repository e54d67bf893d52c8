//! Keys, references and comments of tables, read from their definitions by tokens: one reading for every engine.

use database::script::{self, Lexeme, LexemeKind, begins};
use database::{Engine, Kind, ObjectId, Schema};

use crate::clauses::{closing, span, split};

/// What the definitions say of one table beside its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) comment: Option<String>,
    /// Each column's name and comment.
    pub(super) comments: Vec<(String, String)>,
    pub(super) primary: Vec<String>,
    pub(super) uniques: Vec<Vec<String>>,
    pub(super) references: Vec<Reference>,
    pub(super) checks: Vec<String>,
    /// Indexes that are a part of the table's definition.
    pub(super) indexes: Vec<String>,
    engine: Option<Engine>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    /// The table's name with what qualifies it, outermost first.
    pub(super) table: Vec<String>,
    pub(super) to: Vec<String>,
    /// What happens to the rows here: `ON DELETE CASCADE`.
    pub(super) actions: String,
}

impl Shape {
    /// Reads what the schema says of a table.
    pub(super) fn of(engine: Engine, schema: &Schema, table: &ObjectId) -> Self {
        let mut shape = Self { engine: Some(engine), ..Self::default() };
        for object in &schema.objects {
            let own = object.id == *table;
            let constraint = matches!(object.id.kind, Kind::Constraint | Kind::ForeignKey)
                && object.id.namespace == table.namespace
                && object.id.of == table.name;
            if own || constraint {
                each(engine, &object.definition, |lexemes, text| shape.read(lexemes, text));
            }
            if own {
                for comment in &object.comments {
                    each(engine, comment, |lexemes, _| shape.comment_on(lexemes));
                }
            }
        }
        shape
    }

    fn read(&mut self, lexemes: &[Lexeme<'_>], text: &str) {
        let Some(table) = lexemes.iter().take(4).position(|lexeme| lexeme.is("TABLE")) else { return };
        if lexemes[0].is("CREATE") {
            let Some(open) = lexemes.iter().position(|lexeme| lexeme.is_sign(b'(')) else { return };
            // A partition has its columns from its parent, and no list of its own before what bounds it.
            if script::holds(&lexemes[table..open], &["PARTITION", "OF"]) {
                return;
            }
            let close = closing(lexemes, open);
            for clause in split(&lexemes[open + 1..close]) {
                self.clause(clause, text);
            }
            let tail = lexemes.get(close + 1..).unwrap_or_default();
            if let Some(comment) = tail.windows(3).find(|three| three[0].is("COMMENT")) {
                self.comment =
                    comment.iter().find(|one| one.kind == LexemeKind::Text).map(|one| self.literal(one));
            }
        } else if let Some(add) = lexemes.iter().position(|lexeme| lexeme.is("ADD")) {
            self.clause(&lexemes[add + 1..], text);
        }
    }

    /// One clause of `CREATE TABLE`: a constraint, or a column with those that stand behind it.
    fn clause(&mut self, clause: &[Lexeme<'_>], text: &str) {
        let (name, rest) = match clause {
            [first, name, rest @ ..] if first.is("CONSTRAINT") => (name.identifier(), rest),
            _ => (None, clause),
        };
        let listed = |rest: &[Lexeme<'_>]| {
            let open = rest.iter().position(|lexeme| lexeme.is_sign(b'('));
            open.map(|open| names(&rest[open + 1..closing(rest, open)])).unwrap_or_default()
        };
        if begins(rest, &["PRIMARY", "KEY"]) {
            self.primary = listed(rest);
        } else if begins(rest, &["FOREIGN", "KEY"]) {
            self.reference(name, listed(rest), rest);
        } else if begins(rest, &["UNIQUE"]) {
            self.uniques.push(listed(rest));
        } else if begins(rest, &["CHECK"]) {
            self.checks.extend(span(text, rest));
        } else if is_one_of(clause, &["KEY", "INDEX", "FULLTEXT", "SPATIAL"]) {
            self.indexes.extend(span(text, clause));
        } else if !is_one_of(clause, &["EXCLUDE", "LIKE", "PERIOD", "CONSTRAINT"]) {
            self.column(clause, text);
        }
    }

    /// What a literal of text says.
    fn literal(&self, lexeme: &Lexeme<'_>) -> String {
        unquoted(lexeme.text, self.engine == Some(Engine::Mysql))
    }

    fn column(&mut self, clause: &[Lexeme<'_>], text: &str) {
        let Some(name) = clause[0].identifier() else { return };
        let mut depth = 0_usize;
        for (place, lexeme) in clause.iter().enumerate().skip(1) {
            let rest = &clause[place..];
            if lexeme.is_sign(b'(') {
                depth += 1;
            } else if lexeme.is_sign(b')') {
                depth = depth.saturating_sub(1);
            } else if depth > 0 {
            } else if begins(rest, &["PRIMARY", "KEY"]) {
                self.primary = vec![name.clone()];
            } else if begins(rest, &["UNIQUE"]) {
                self.uniques.push(vec![name.clone()]);
            } else if begins(rest, &["REFERENCES"]) {
                self.reference(None, vec![name.clone()], rest);
            } else if begins(rest, &["CHECK"]) && rest.get(1).is_some_and(|next| next.is_sign(b'(')) {
                self.checks.extend(span(text, &rest[..=closing(rest, 1).min(rest.len() - 1)]));
            } else if lexeme.is("COMMENT")
                && let Some(comment) = rest.get(1).filter(|next| next.kind == LexemeKind::Text)
            {
                self.comments.push((name.clone(), self.literal(comment)));
            }
        }
    }

    fn reference(&mut self, name: Option<String>, columns: Vec<String>, rest: &[Lexeme<'_>]) {
        let Some(word) = rest.iter().position(|lexeme| lexeme.is("REFERENCES")) else { return };
        let mut place = word + 1;
        let mut table: Vec<String> = rest.get(place).and_then(Lexeme::identifier).into_iter().collect();
        while rest.get(place + 1).is_some_and(|lexeme| lexeme.is_sign(b'.')) {
            place += 2;
            table.extend(rest.get(place).and_then(Lexeme::identifier));
        }
        let mut to = Vec::new();
        let mut after = place + 1;
        if rest.get(after).is_some_and(|lexeme| lexeme.is_sign(b'(')) {
            let close = closing(rest, after);
            to = names(&rest[after + 1..close]);
            after = close + 1;
        }
        // Of a column's clause, what follows may be about something else.
        let words = rest.get(after..).unwrap_or_default().iter().take_while(|lexeme| {
            const WORDS: &[&str] =
                &["ON", "DELETE", "UPDATE", "CASCADE", "RESTRICT", "SET", "NULL", "NO", "ACTION", "DEFAULT"];
            WORDS.iter().any(|word| lexeme.is(word))
        });
        let actions = words.map(|lexeme| lexeme.text.to_uppercase()).collect::<Vec<_>>().join(" ");
        self.references.push(Reference { name, columns, table, to, actions });
    }

    /// `COMMENT ON TABLE … IS '…'` and `COMMENT ON COLUMN … IS '…'`.
    fn comment_on(&mut self, lexemes: &[Lexeme<'_>]) {
        let Some(is) = lexemes.iter().rposition(|lexeme| lexeme.is("IS")) else { return };
        let Some(text) = lexemes.get(is + 1).filter(|lexeme| lexeme.kind == LexemeKind::Text) else { return };
        if begins(lexemes, &["COMMENT", "ON", "COLUMN"]) {
            if let Some(name) = lexemes[is - 1].identifier() {
                self.comments.push((name, self.literal(text)));
            }
        } else {
            self.comment = Some(self.literal(text));
        }
    }
}

/// Hands on the tokens of each statement.
fn each(engine: Engine, definition: &str, mut to: impl FnMut(&[Lexeme<'_>], &str)) {
    // What the server has written can be cut; a definition that cannot be has nothing to tell here.
    for statement in script::split(engine, definition).unwrap_or_default() {
        let lexemes = script::lexemes(engine, statement.text).unwrap_or_default();
        if !lexemes.is_empty() {
            to(&lexemes, statement.text);
        }
    }
}

/// The names of a list of columns, without lengths, orders and expressions.
fn names(lexemes: &[Lexeme<'_>]) -> Vec<String> {
    split(lexemes).into_iter().filter_map(|column| column[0].identifier()).collect()
}

fn is_one_of(clause: &[Lexeme<'_>], words: &[&str]) -> bool {
    clause.first().is_some_and(|first| words.iter().any(|word| first.is(word)))
}

/// The text between quotes; a backslash escapes where the literal says so, or the engine always does.
fn unquoted(text: &str, escapes: bool) -> String {
    let start = text.find(['\'', '"']).map_or(0, |quote| quote + 1);
    let quote = text[..start].chars().last().unwrap_or('\'');
    let inner = text.get(start..text.len() - 1).unwrap_or_default();
    let escaped = escapes || text.starts_with(['E', 'e']);
    let mut said = String::with_capacity(inner.len());
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == quote {
            letters.next_if_eq(&quote);
        }
        match letters.next_if(|_| escaped && letter == '\\') {
            Some('n') => said.push('\n'),
            Some(other) => said.push(other),
            None => said.push(letter),
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(engine: Engine, text: &str) -> Shape {
        let mut shape = Shape { engine: Some(engine), ..Shape::default() };
        each(engine, text, |lexemes, text| shape.read(lexemes, text));
        shape
    }

    #[test]
    fn keys_and_references_are_found_on_every_engine() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
            let found = shape(
                engine,
                "CREATE TABLE line (a int, b int NOT NULL REFERENCES shop.item (id) ON DELETE SET NULL, c decimal(10, 2) CHECK (c > 0),
                 PRIMARY KEY (a, b), CONSTRAINT k FOREIGN KEY (a, c) REFERENCES other (x, y), UNIQUE (c), CHECK (a <> b))",
            );
            assert_eq!(found.primary, ["a", "b"], "{engine}");
            assert_eq!(found.uniques, [["c"]], "{engine}");
            assert_eq!(found.checks, ["CHECK (c > 0)", "CHECK (a <> b)"], "{engine}");
            let [item, other] = found.references.as_slice() else { panic!("{engine}: {found:?}") };
            assert_eq!(
                (item.table.as_slice(), item.actions.as_str()),
                (["shop".into(), "item".into()].as_slice(), "ON DELETE SET NULL")
            );
            assert_eq!((other.name.as_deref(), other.columns.len(), other.to.len()), (Some("k"), 2, 2));
        }
    }

    #[test]
    fn comments_say_what_was_meant() {
        let mut found = Shape::default();
        let text = "COMMENT ON TABLE s.t IS 'the ''one'''; COMMENT ON COLUMN s.t.c IS E'its \\\\ code';";
        each(Engine::Postgres, text, |lexemes, _| found.comment_on(lexemes));
        assert_eq!(
            (found.comment.as_deref(), found.comments[0].1.as_str()),
            (Some("the 'one'"), "its \\ code")
        );
        let table = "CREATE TABLE `t` (`c` int COMMENT 'it''s') ENGINE=InnoDB COMMENT='all, of it'";
        let found = shape(Engine::Mysql, table);
        assert_eq!((found.comment.as_deref(), found.comments[0].1.as_str()), (Some("all, of it"), "it's"));
    }
}
