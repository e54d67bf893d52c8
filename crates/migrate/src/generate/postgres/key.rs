use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Kind, Object, Schema};

use super::super::step::{Between, InPlace, Statement};
use super::{ident, of_table};
use crate::clauses::{closing, span};

/// A primary key or a unique constraint, taken apart: its index can be built while others write.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    /// `UNIQUE` or `PRIMARY KEY`.
    word: &'static str,
    /// The columns, as the statement of an index has them.
    columns: String,
    /// What follows them there.
    options: String,
    /// When it is looked after: ` DEFERRABLE`.
    deferral: String,
    /// The statements after it.
    after: Vec<String>,
}

impl Key {
    /// `None` if it is another constraint, or one whose index cannot be built first.
    fn of(definition: &str) -> Option<Self> {
        let statements = script::split(Engine::Postgres, definition).ok()?;
        let (first, after) = statements.split_first()?;
        let text = first.text;
        let lexemes = script::lexemes(Engine::Postgres, text).ok()?;
        let place = lexemes.windows(2).position(|two| two[0].is("ADD") && two[1].is("CONSTRAINT"))?;
        let mut rest = lexemes.get(place + 3..)?;
        let word = if take(&mut rest, &["PRIMARY", "KEY"]) {
            "PRIMARY KEY"
        } else if take(&mut rest, &["UNIQUE"]) {
            "UNIQUE"
        } else {
            return None;
        };
        let not_distinct = take(&mut rest, &["NULLS", "NOT", "DISTINCT"]);
        let columns = brackets(text, &mut rest)?;
        let mut options = String::new();
        if take(&mut rest, &["INCLUDE"]) {
            options.push_str(&format!(" INCLUDE {}", brackets(text, &mut rest)?));
        }
        if not_distinct {
            options.push_str(" NULLS NOT DISTINCT");
        }
        if take(&mut rest, &["WITH"]) {
            options.push_str(&format!(" WITH {}", brackets(text, &mut rest)?));
        }
        if take(&mut rest, &["USING", "INDEX", "TABLESPACE"]) {
            let (name, left) = rest.split_first()?;
            options.push_str(&format!(" TABLESPACE {}", name.text));
            rest = left;
        }
        let deferral = span(text, rest).map_or_else(String::new, |deferral| format!(" {deferral}"));
        let known = ["", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"];
        known.contains(&deferral.as_str()).then(|| Self {
            word,
            columns,
            options,
            deferral,
            after: after.iter().map(|next| format!("{};\n", next.text)).collect(),
        })
    }

    fn index(&self, name: &str, table: &str) -> Statement {
        let (columns, options) = (&self.columns, &self.options);
        Statement::new(format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {table} {columns}{options};\n",
            ident(name)
        ))
        .apart()
    }

    /// What makes it of that index, which gets its name.
    fn constraint(&self, name: &str, index: &str) -> String {
        let (word, index, deferral) = (self.word, ident(index), &self.deferral);
        format!("ADD CONSTRAINT {} {word} USING INDEX {index}{deferral};\n", ident(name))
    }
}

/// Whether these key words come next; then they are taken.
fn take(rest: &mut &[Lexeme<'_>], words: &[&str]) -> bool {
    let is_next = script::begins(rest, words);
    if is_next {
        *rest = &rest[words.len()..];
    }
    is_next
}

/// A list of names in brackets, which is taken. What else may stand in one, such as `WITHOUT OVERLAPS`, is not known.
fn brackets(text: &str, rest: &mut &[Lexeme<'_>]) -> Option<String> {
    rest.first().filter(|first| first.is_sign(b'('))?;
    let close = closing(rest, 0);
    let inside = rest.get(1..close)?;
    let is_name = |lexeme: &Lexeme<'_>| matches!(lexeme.kind, LexemeKind::Word | LexemeKind::Name);
    if inside.windows(2).any(|two| is_name(&two[0]) && is_name(&two[1])) {
        return None;
    }
    let list = span(text, &rest[..=close])?;
    *rest = &rest[close + 1..];
    Some(list)
}

/// A new key of a table that is there: the index is built while others write, and becomes the key at once.
///
/// `None` where it has to come with the other statements: what takes the place of a key comes in the transaction in which
/// that one goes, and a view that hangs on the key would be gone between two files.
pub(super) fn made(object: &Object, between: Between<'_>) -> Option<Vec<Statement>> {
    let key = Key::of(&object.definition)?;
    let id = &object.id;
    let takes_name = |other: &Object| (&other.id.namespace, &other.id.name) == (&id.namespace, &id.name);
    if between.old.objects.iter().any(|other| takes_name(other) || goes(object, other, between))
        || is_needed(object, between.new, &[Kind::ForeignKey])
    {
        return None;
    }
    let add = key.constraint(&id.name, &id.name);
    let mut statements = vec![
        key.index(&id.name, &of_table(id)),
        Statement::new(format!("ALTER TABLE ONLY {} {add}", of_table(id))).apart(),
    ];
    statements.extend(key.after.iter().map(|sql| Statement::new(sql).apart()));
    Some(statements)
}

/// A key that becomes another one of its name while nothing else of its table changes: the new index is built beside it, and
/// one statement exchanges the two.
///
/// `None` where something hangs on the key, or no other file may be written.
pub(super) fn changed(old: &Object, new: &Object, between: Between<'_>) -> Option<InPlace> {
    let (was, key) = (Key::of(&old.definition)?, Key::of(&new.definition)?);
    let table = between.table_before(old)?;
    let after = between.new.get(&table.id)?;
    let stays = table.definition == after.definition
        && table.table.as_deref().is_some_and(|table| table.holds_rows)
        && was.after.is_empty();
    let free = [between.old, between.new].into_iter().all(|schema| !is_needed(old, schema, &[]));
    let hangs =
        [old, new].into_iter().any(|key| key.depends_on.iter().any(|need| need.kind == Kind::Constraint));
    if !between.style.apart || !stays || !free || hangs {
        return None;
    }
    let id = &old.id;
    // Nothing may be unguarded while the index is built.
    let others = || between.old.objects.iter().filter(|other| other.id != *id);
    let beside = helpers::naming::cut_name(&id.name, "_dbm_new", 63);
    let is_taken = [between.old, between.new]
        .into_iter()
        .flat_map(|schema| &schema.objects)
        .any(|other| other.id.namespace == id.namespace && other.id.name == beside);
    if is_taken || others().any(|other| goes(old, other, between)) {
        return None;
    }
    let add = key.constraint(&id.name, &beside);
    let mut statements = vec![
        key.index(&beside, &of_table(id)),
        Statement::new(format!(
            "ALTER TABLE ONLY {}\n    DROP CONSTRAINT {},\n    {add}",
            of_table(id),
            ident(&id.name)
        ))
        .apart(),
    ];
    statements.extend(key.after.iter().map(|sql| Statement::new(sql).apart()));
    // They went with the index that they were on.
    statements.extend(new.comments.iter().map(|comment| Statement::new(comment).apart()));
    Some(InPlace { statements, ..InPlace::default() })
}

/// Whether another object keeps rows of the key's table apart, and does not stay as it is.
fn goes(key: &Object, other: &Object, between: Between<'_>) -> bool {
    (&other.id.namespace, &other.id.of) == (&key.id.namespace, &key.id.of)
        && is_unique(other)
        && between.new.get(&other.id).is_none_or(|after| after.definition != other.definition)
}

/// Whether it keeps rows apart.
fn is_unique(object: &Object) -> bool {
    match object.id.kind {
        Kind::Index => object.definition.starts_with("CREATE UNIQUE "),
        Kind::Constraint => {
            Key::of(&object.definition).is_some() || object.definition.contains(" EXCLUDE USING ")
        }
        _ => false,
    }
}

/// Whether anything but what is of these kinds depends on it.
fn is_needed(object: &Object, schema: &Schema, but: &[Kind]) -> bool {
    schema.objects.iter().any(|other| !but.contains(&other.id.kind) && other.depends_on.contains(&object.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart() {
        let add = "ALTER TABLE ONLY \"public\".\"t\"\n    ADD CONSTRAINT \"k\" ";
        let key = |rest: &str| Key::of(&format!("{add}{rest};\n"));
        let whole = key(
            "UNIQUE NULLS NOT DISTINCT (a, \"b)\") INCLUDE (c) WITH (fillfactor='70') USING INDEX TABLESPACE \"fast\" DEFERRABLE",
        );
        let whole = whole.unwrap();
        assert_eq!(
            (whole.word, whole.columns.as_str(), whole.deferral.as_str()),
            ("UNIQUE", "(a, \"b)\")", " DEFERRABLE")
        );
        assert_eq!(
            whole.options,
            " INCLUDE (c) NULLS NOT DISTINCT WITH (fillfactor='70') TABLESPACE \"fast\""
        );
        assert_eq!(key("PRIMARY KEY (id)").unwrap().options, "");
        for other in
            ["EXCLUDE USING gist (a WITH &&)", "CHECK ((a > 0))", "PRIMARY KEY (id, during WITHOUT OVERLAPS)"]
        {
            assert_eq!(key(other), None, "{other}");
        }
    }
}
