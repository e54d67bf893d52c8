use std::collections::BTreeSet;

use database::script::{self, Lexeme, LexemeKind, begins, holds};
use database::{Column, Engine, Kind, Object, ObjectId, Schema, quote};

use super::parts::{Parts, columns};
use super::step::{Between, Change, Dialect, InPlace, Statement, Step, Unwritable, views_on};
use crate::engine;

/// Changes of SQLite's objects: what ALTER TABLE does not do, a new table does, that gets the rows.
///
/// The order of the steps is that of <https://www.sqlite.org/lang_altertable.html#otheralter>.
pub(crate) struct Sqlite;

/// The end of the name that a new table has until the old one is gone.
const NEW: &str = "_dbm_new";
/// No limit of SQLite's, but as long as anybody reads.
const LONGEST_NAME: usize = 200;

fn ident(name: &str) -> String {
    quote::identifier(Engine::Sqlite, name)
}

fn lexemes(text: &str) -> Vec<Lexeme<'_>> {
    script::lexemes(Engine::Sqlite, text).unwrap_or_default()
}

impl Dialect for Sqlite {
    fn normal(&self, object: &Object) -> String {
        engine::canonical(Engine::Sqlite, &object.definition)
    }

    fn complete(&self, schema: &mut Schema) {
        let is_named = |kind: Kind| matches!(kind, Kind::Table | Kind::VirtualTable | Kind::View);
        let named: Vec<ObjectId> =
            schema.objects.iter().filter(|one| is_named(one.id.kind)).map(|one| one.id.clone()).collect();
        for object in &mut schema.objects {
            if !matches!(object.id.kind, Kind::View | Kind::Trigger) {
                continue;
            }
            let names: BTreeSet<String> = lexemes(&object.definition)
                .iter()
                .filter_map(Lexeme::identifier)
                .map(|name| name.to_lowercase())
                .collect();
            let needs =
                named.iter().filter(|id| **id != object.id && names.contains(&id.name.to_lowercase()));
            let needs: Vec<ObjectId> = needs.filter(|id| !object.depends_on.contains(id)).cloned().collect();
            object.depends_on.extend(needs);
        }
    }

    fn create(&self, object: &Object, _between: Between<'_>) -> Vec<Statement> {
        vec![Statement::new(&object.definition)]
    }

    fn drop(&self, object: &Object, _between: Between<'_>) -> Result<Vec<Statement>, Unwritable> {
        let word = match object.id.kind {
            Kind::Table | Kind::VirtualTable => "TABLE",
            Kind::View => "VIEW",
            Kind::Index => "INDEX",
            Kind::Trigger => "TRIGGER",
            _ => return Err(Unwritable::new("dbm does not write what drops this kind of object")),
        };
        let statement = Statement::new(format!("DROP {word} {};\n", ident(&object.id.name)));
        Ok(vec![match object.id.kind {
            Kind::Table | Kind::VirtualTable => statement.losing(format!("the rows of {}", object.id)),
            _ => statement,
        }])
    }

    fn change(&self, old: &Object, new: &Object, _between: Between<'_>) -> Result<Change, Unwritable> {
        if old.id.kind != Kind::Table {
            return Ok(Change::Again);
        }
        Ok(Change::InPlace(added(old, new).unwrap_or_else(|| rebuilt(old, new))))
    }

    fn goes_with(&self, object: &Object, schema: &Schema) -> Vec<ObjectId> {
        let of = |one: &&Object| {
            matches!(one.id.kind, Kind::Table | Kind::VirtualTable | Kind::View)
                && one.id.name.eq_ignore_ascii_case(&object.id.of)
        };
        let belongs = matches!(object.id.kind, Kind::Index | Kind::Trigger);
        schema.objects.iter().filter(|_| belongs).filter(of).map(|one| one.id.clone()).collect()
    }

    fn is_in_the_way(&self, _dependent: &Object, _need: &ObjectId) -> bool {
        true
    }

    fn may_be_made_again(&self, object: &Object) -> bool {
        !matches!(object.id.kind, Kind::Table | Kind::VirtualTable)
    }

    fn preamble(&self, steps: &[&Step], _transaction: bool) -> String {
        if rebuilds(steps) { "PRAGMA foreign_keys = OFF;\n".to_owned() } else { String::new() }
    }

    fn ending(&self, steps: &[&Step]) -> String {
        if rebuilds(steps) { "PRAGMA foreign_keys = ON;\n".to_owned() } else { String::new() }
    }

    fn broken_by_rename<'s>(
        &self,
        object: &Object,
        _column: Option<&str>,
        schema: &'s Schema,
    ) -> Vec<&'s Object> {
        // A view of a table follows it, but not one of that view whose column got another name by that.
        views_on(object, schema)
    }

    fn rename(&self, object: &Object, column: Option<&str>, to: &str) -> Option<String> {
        let table = (object.id.kind == Kind::Table).then(|| ident(&object.id.name))?;
        let what = column.map_or_else(String::new, |column| format!("COLUMN {} ", ident(column)));
        Some(format!("ALTER TABLE {table} RENAME {what}TO {};\n", ident(to)))
    }
}

/// Whether a table goes: with foreign keys enforced, its rows would take others along.
fn rebuilds(steps: &[&Step]) -> bool {
    let mut statements = steps.iter().flat_map(|step| &step.statements);
    statements.any(|statement| statement.sql.starts_with("DROP TABLE"))
}

/// Columns at the end that ALTER TABLE can add.
fn added(old: &Object, new: &Object) -> Option<InPlace> {
    let parts = |object: &Object| Parts::of(Engine::Sqlite, &object.definition);
    let (before, after) = (parts(old)?, parts(new)?);
    let count = before.columns.len();
    let canonical = |text: &str| engine::canonical(Engine::Sqlite, text);
    let same = |one: &(String, String), other: &(String, String)| {
        one.0.eq_ignore_ascii_case(&other.0) && canonical(&one.1) == canonical(&other.1)
    };
    // Behind constraints there is no place for a column.
    let is_longer = before.others.is_empty()
        && after.others.is_empty()
        && canonical(&before.tail) == canonical(&after.tail)
        && after.columns.len() > count
        && before.columns.iter().zip(&after.columns).all(|(one, other)| same(one, other));
    if !is_longer || !after.columns[count..].iter().all(|(_, clause)| can_be_added(clause)) {
        return None;
    }
    let add = |(name, clause): &(String, String)| {
        // As it is written there, which may be without quotes.
        let name =
            columns(new).iter().find(|own| own.name.eq_ignore_ascii_case(name)).map_or(name, |own| &own.name);
        Statement::new(format!("ALTER TABLE {} ADD COLUMN {} {clause};\n", ident(&old.id.name), ident(name)))
    };
    Some(InPlace { statements: after.columns[count..].iter().map(add).collect(), ..InPlace::default() })
}

/// <https://www.sqlite.org/lang_altertable.html#altertabaddcol>
fn can_be_added(clause: &str) -> bool {
    let lexemes = lexemes(clause);
    let has = |word: &str| lexemes.iter().any(|lexeme| lexeme.is(word));
    let default = lexemes.iter().position(|lexeme| lexeme.is("DEFAULT")).and_then(|at| lexemes.get(at + 1));
    let is_constant = default.is_none_or(|next| {
        matches!(next.kind, LexemeKind::Text | LexemeKind::Number) || next.is("NULL") || next.is_sign(b'-')
    });
    let refuses = holds(&lexemes, &["NOT", "NULL"]) && default.is_none_or(|next| next.is("NULL"));
    let forbidden = ["PRIMARY", "UNIQUE", "GENERATED", "AS"].into_iter().any(has);
    let refers = has("REFERENCES") && default.is_some();
    is_constant && !(refuses || forbidden || refers)
}

/// A new table that gets the rows and then the name.
fn rebuilt(old: &Object, new: &Object) -> InPlace {
    let name = &old.id.name;
    let aside = helpers::naming::cut_name(name, NEW, LONGEST_NAME);
    let (before, after) = (columns(old), columns(new));
    let find = |list: &'_ [Column], name: &str| -> Option<Column> {
        list.iter().find(|column| column.name.eq_ignore_ascii_case(name)).cloned()
    };
    let mut fill = Vec::new();
    let mut losses: Vec<String> = Vec::new();
    let mut note = None;
    for column in after.iter().filter(|column| column.generated.is_none()) {
        match find(before, &column.name) {
            Some(was) => {
                fill.push(ident(&column.name));
                if !keeps(&was.data_type, &column.data_type) {
                    losses.push(format!(
                        "how the values of column {} of {} are written, which become {}",
                        column.name, old.id, column.data_type
                    ));
                }
            }
            None if column.not_null && column.default.is_none() => {
                note = Some(format!(
                    "fails where the table has rows: column {} refuses NULL and has no default",
                    column.name
                ));
            }
            None => {}
        }
    }
    let is_kept = |name: &str| find(after, name).is_some_and(|column| column.generated.is_none());
    let gone = before.iter().filter(|column| column.generated.is_none() && !is_kept(&column.name));
    losses.extend(gone.map(|column| format!("column {} of {}", column.name, old.id)));

    let mut statements = vec![Statement::new(named(&new.definition, &aside))];
    let loses = (!losses.is_empty()).then(|| losses.join("; "));
    let mut drop = Statement::new(format!("DROP TABLE {};\n", ident(name)));
    if fill.is_empty() {
        drop.loses = Some(format!("the rows of {}", old.id));
    } else {
        fill.splice(0..0, row_number(old, new).map(str::to_owned));
        let list = fill.join(", ");
        // Whatever the new table says of conflicts, no row replaces another or is left out.
        let copy =
            format!("INSERT OR ABORT INTO {} ({list}) SELECT {list} FROM {};\n", ident(&aside), ident(name));
        let mut copy = Statement::new(copy);
        copy.note = note;
        copy.loses = loses;
        statements.push(copy);
    }
    let counts =
        |object: &Object| lexemes(&object.definition).iter().any(|lexeme| lexeme.is("AUTOINCREMENT"));
    if counts(old) && counts(new) {
        let (own, other) = (quote::literal(Engine::Sqlite, name), quote::literal(Engine::Sqlite, &aside));
        statements.push(Statement::new(format!("DELETE FROM sqlite_sequence WHERE name = {other};\n")));
        statements.push(Statement::new(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {other}, seq FROM sqlite_sequence WHERE name = {own};\n"
        )));
    }
    statements.push(drop);
    statements.push(Statement::new(format!("ALTER TABLE {} RENAME TO {};\n", ident(&aside), ident(name))));
    InPlace { statements, disturbs: vec![old.id.clone()], made_again: Vec::new() }
}

/// The name by which the rows' own numbers are copied, where no column holds them: others may refer to a row by it.
fn row_number(old: &Object, new: &Object) -> Option<&'static str> {
    let is_plain = |object: &Object| {
        Parts::of(Engine::Sqlite, &object.definition)
            .is_some_and(|parts| !holds(&lexemes(&parts.tail), &["WITHOUT", "ROWID"]))
    };
    if !is_plain(old) || !is_plain(new) || has_number(new) {
        return None;
    }
    let is_column = |name: &str| {
        columns(old).iter().chain(columns(new)).any(|column| column.name.eq_ignore_ascii_case(name))
    };
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !is_column(name))
}

/// Whether a column is the number of its row: <https://www.sqlite.org/lang_createtable.html#rowids_and_the_integer_primary_key>
fn has_number(table: &Object) -> bool {
    let Some(parts) = Parts::of(Engine::Sqlite, &table.definition) else { return true };
    let is_integer = |name: &str| {
        let mut own = columns(table).iter();
        own.any(|column| {
            column.name.eq_ignore_ascii_case(name) && column.data_type.eq_ignore_ascii_case("INTEGER")
        })
    };
    let is_key = |clause: &str| holds(&lexemes(clause), &["PRIMARY", "KEY"]);
    let of_one = parts.others.iter().filter(|(_, clause)| is_key(clause)).any(|(_, clause)| {
        let lexemes = lexemes(clause);
        let key = lexemes.iter().skip_while(|lexeme| !lexeme.is("KEY"));
        let list = key.skip_while(|lexeme| !lexeme.is_sign(b'(')).skip(1);
        let names: Vec<&Lexeme<'_>> = list.take_while(|lexeme| !lexeme.is_sign(b')')).collect();
        !names.iter().any(|lexeme| lexeme.is_sign(b','))
            && names.first().and_then(|name| name.identifier()).is_some_and(|name| is_integer(&name))
    });
    of_one || parts.columns.iter().any(|(name, clause)| is_integer(name) && is_key(clause))
}

/// Whether values stay as they are where a column's declared type becomes another:
/// <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>
fn keeps(from: &str, to: &str) -> bool {
    #[derive(PartialEq)]
    enum Affinity {
        Integer,
        Text,
        Blob,
        Real,
        Numeric,
    }
    let affinity = |name: &str| {
        let name = name.to_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match () {
            () if has(&["INT"]) => Affinity::Integer,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Affinity::Text,
            () if name.is_empty() || has(&["BLOB"]) => Affinity::Blob,
            () if has(&["REAL", "FLOA", "DOUB"]) => Affinity::Real,
            () => Affinity::Numeric,
        }
    };
    let (from, to) = (affinity(from), affinity(to));
    from == to || matches!((from, to), (Affinity::Integer, Affinity::Numeric) | (_, Affinity::Blob))
}

/// The definition of a table under another name.
fn named(definition: &str, name: &str) -> String {
    let lexemes = lexemes(definition);
    let place = lexemes.iter().take(3).position(|lexeme| lexeme.is("TABLE")).map(|place| place + 1);
    let Some(own) = place.and_then(|place| lexemes.get(place)).filter(|_| begins(&lexemes, &["CREATE"]))
    else {
        return definition.to_owned();
    };
    let start = own.text.as_ptr() as usize - definition.as_ptr() as usize;
    format!("{}{}{}", &definition[..start], ident(name), &definition[start + own.text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_alter_table_cannot_add_is_known() {
        for clause in
            ["TEXT", "INT NOT NULL DEFAULT 0", "TEXT DEFAULT 'a' COLLATE NOCASE", "INT REFERENCES item (id)"]
        {
            assert!(can_be_added(clause), "{clause}");
        }
        for clause in [
            "TEXT NOT NULL",
            "TEXT UNIQUE",
            "TEXT DEFAULT CURRENT_TIMESTAMP",
            "INT DEFAULT (1 + 1)",
            "INT AS (id + 1) STORED",
            "INT DEFAULT 1 REFERENCES item (id)",
        ] {
            assert!(!can_be_added(clause), "{clause}");
        }
    }

    #[test]
    fn a_table_gets_another_name_in_its_text() {
        assert_eq!(named("CREATE TABLE item(item int);\n", "x\"y"), "CREATE TABLE \"x\"\"y\"(item int);\n");
        assert_eq!(named("CREATE TABLE \"item\" (a);\n", "b"), "CREATE TABLE \"b\" (a);\n");
    }
}
