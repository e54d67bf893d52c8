//! SQLite: rebuilding a table, since ALTER TABLE does little (<https://www.sqlite.org/lang_altertable.html>), and the
//! pragmas that are ignored in the wrong place.

use database::script::{Lexeme, begins};

use super::{File, Hit, Looked, look, rows};

pub(crate) const NAMES: &[&str] = &[
    "adding-required-field",
    "ban-drop-column",
    "ban-drop-table",
    "pragma-in-transaction",
    "rebuild-by-position",
    "rebuild-cascades",
    "rebuild-loses-constraints",
    "rebuild-wrong-order",
    "renaming-column",
    "renaming-table",
    "replace-into",
    "writable-schema",
];

pub(crate) fn judge(file: &File<'_>, _version: Option<&str>) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut copies = Vec::new();
    let mut enforced = true;
    let mut transaction = Transaction::default();
    for (place, looked) in file.statements.iter().enumerate() {
        let lexemes = &looked.lexemes;
        let later = &file.statements[place + 1..];
        let mut hit =
            |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
        transaction.follow(lexemes);
        if let Some(off) = foreign_keys(lexemes) {
            if transaction.is_open() {
                hit(
                    "pragma-in-transaction",
                    "PRAGMA foreign_keys does nothing inside a transaction".to_owned(),
                    "put it before BEGIN, and leave BEGIN and COMMIT to dbm",
                );
            } else {
                enforced = !off;
            }
        }
        if begins(lexemes, &["PRAGMA"]) && lexemes.iter().any(|lexeme| lexeme.is("WRITABLE_SCHEMA")) {
            hit(
                "writable-schema",
                "the catalog is edited by hand: one wrong letter and the file cannot be opened".to_owned(),
                "rebuild the table: a new one, the rows, DROP, RENAME",
            );
        }
        for table in look::dropped_tables(lexemes).iter().filter(|table| !file.is_new(table, looked)) {
            let new = later.iter().filter_map(renamed_to).find(|(_, to)| to == table).map(|(from, _)| from);
            if let Some(new) = new {
                hits_of_copy(&file.statements[..place], table, &new, &mut copies);
                if !keeps_rows(&file.statements, place, table, &new) {
                    hit(
                        "ban-drop-table",
                        format!("the table {table} goes with its rows, and nothing puts them into {new}"),
                        "copy them before: INSERT INTO new (a, b) SELECT a, b FROM old",
                    );
                }
                if enforced {
                    hit(
                        "rebuild-cascades",
                        format!(
                            "DROP TABLE deletes every row of {table} first, and with it what ON DELETE CASCADE takes along, without an error"
                        ),
                        "begin the file with `PRAGMA foreign_keys = OFF;` and end it with `PRAGMA foreign_keys = ON;`",
                    );
                }
            } else {
                hit(
                    "ban-drop-table",
                    format!("the table {table} goes with its rows"),
                    "rename it away first, and drop it once nobody has missed it",
                );
            }
        }
        if let Some((from, to)) = renamed_to(looked).filter(|(from, _)| !file.is_new(from, looked)) {
            if later
                .iter()
                .any(|looked| look::created_table(&looked.lexemes).is_some_and(|made| made == from))
            {
                hit(
                    "rebuild-wrong-order",
                    format!(
                        "foreign keys, triggers and views that name {from} follow it to {to}, and stay there"
                    ),
                    "make the new table under another name, copy the rows, drop the old table, then rename the new one",
                );
            } else {
                hit(
                    "renaming-table",
                    format!("what runs still uses the name {from}"),
                    "make a view of the old name, and drop it later",
                );
            }
        }
        hits.extend(altered(file, looked));
    }
    hits.extend(copies);
    hits.extend(rows::judge_replaced(
        file,
        "keep the row: INSERT … ON CONFLICT (key) DO UPDATE SET, or UPDATE without OR REPLACE",
    ));
    hits
}

/// How the new table of a rebuild is made and gets the rows.
fn hits_of_copy(before: &[Looked<'_>], table: &str, new: &str, hits: &mut Vec<Hit>) {
    for looked in before {
        let lexemes = &looked.lexemes;
        let select = lexemes.iter().position(|lexeme| lexeme.is("SELECT"));
        let mut hit =
            |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
        if look::created_table(lexemes).is_some_and(|made| made == new) && select.is_some() {
            hit(
                "rebuild-loses-constraints",
                format!(
                    "a table that is made of a SELECT has no keys, NOT NULL, defaults and checks: those of {table} are gone"
                ),
                "write out the new table's columns and constraints, and copy the rows with INSERT",
            );
        }
        let into = begins(lexemes, &["INSERT"])
            .then(|| lexemes.iter().position(|lexeme| lexeme.is("INTO")))
            .flatten()
            .and_then(|into| look::name_at(lexemes, into + 1));
        if let (Some((name, next)), Some(select)) = (into, select)
            && name == new
            && next == select
            && takes_all(&lexemes[select..])
        {
            hit(
                "rebuild-by-position",
                format!(
                    "the values of {table} go by their places, and a column that was added later stands last"
                ),
                "name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old",
            );
        }
    }
}

/// Whether rows of a table that is dropped at a place come into the one that gets its name, be it by way of another one.
fn keeps_rows(statements: &[Looked<'_>], dropped: usize, table: &str, new: &str) -> bool {
    let mut holders = vec![table.to_owned()];
    for (place, looked) in statements.iter().enumerate() {
        let drops = look::dropped_tables(&looked.lexemes);
        // What comes of the rows from then on is the next rebuild's.
        if place > dropped && drops.iter().any(|gone| gone == table) {
            break;
        }
        holders.retain(|holder| !drops.contains(holder));
        if let Some((from, to)) = renamed_to(looked)
            && let Some(holder) = holders.iter_mut().find(|holder| **holder == from)
        {
            *holder = to;
        }
        if let Some((into, from)) = copied(&looked.lexemes)
            && from.iter().filter_map(Lexeme::identifier).any(|name| holders.contains(&name.to_lowercase()))
        {
            holders.push(into);
        }
    }
    holders.iter().any(|holder| holder == new || holder == table)
}

/// The table that a statement puts rows into, and what it says of where they come from.
fn copied<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Option<(String, &'l [Lexeme<'a>])> {
    let select = lexemes.iter().position(|lexeme| lexeme.is("SELECT"))?;
    if let Some(made) = look::created_table(lexemes) {
        return Some((made, &lexemes[select..]));
    }
    let puts = ["INSERT", "REPLACE", "WITH"].iter().any(|word| begins(lexemes, &[word]));
    let into = look::place_of(lexemes, "INTO").filter(|_| puts)?;
    // What a WITH takes stands before.
    Some((look::name_at(lexemes, into + 1)?.0, &lexemes[select.min(into + 2)..]))
}

/// Whether a SELECT takes the columns as they stand in the table.
fn takes_all(select: &[Lexeme<'_>]) -> bool {
    let named = || select.get(4).is_some_and(|inner| inner.is("SELECT")) && !takes_all(&select[4..]);
    let inner = || begins(&select[2..], &["FROM"]) && select.get(3).is_some_and(|open| open.is_sign(b'('));
    select.get(1).is_some_and(|all| all.is_sign(b'*')) && !(inner() && named())
}

fn altered(file: &File<'_>, looked: &Looked<'_>) -> Vec<Hit> {
    let Some(alter) = look::alter(&looked.lexemes).filter(|alter| !file.is_new(&alter.table, looked)) else {
        return Vec::new();
    };
    let table = &alter.table;
    let mut hits = Vec::new();
    let mut hit = |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
    for action in &alter.actions {
        for (column, definition) in look::added_columns(action) {
            let gives = ["DEFAULT", "AS", "GENERATED"];
            if !look::says(definition, &["NOT", "NULL"])
                || gives.iter().any(|word| look::says(definition, &[word]))
            {
                continue;
            }
            hit(
                "adding-required-field",
                format!(
                    "{column} is NOT NULL and has no default: SQLite refuses it as soon as {table} has a row"
                ),
                "give it a DEFAULT, or rebuild the table",
            );
        }
        if let Some(column) = look::dropped_column(action) {
            hit(
                "ban-drop-column",
                format!("the column {column} of {table} goes with its values"),
                "stop using it first, and drop it a release later",
            );
        }
        if action.first().is_some_and(|first| first.is("RENAME"))
            && !action.get(1).is_some_and(|word| word.is("TO"))
        {
            hit(
                "renaming-column",
                format!("what runs still uses the old name of a column of {table}"),
                "add the new column beside it, and drop the old one later",
            );
        }
    }
    hits
}

/// `ALTER TABLE a RENAME TO b`.
fn renamed_to(looked: &Looked<'_>) -> Option<(String, String)> {
    let alter = look::alter(&looked.lexemes)?;
    let action = alter.actions.first().filter(|action| begins(action, &["RENAME", "TO"]))?;
    Some((alter.table, look::name_at(action, 2)?.0))
}

/// Whether `PRAGMA foreign_keys = …` switches them off.
fn foreign_keys(lexemes: &[Lexeme<'_>]) -> Option<bool> {
    let named = begins(lexemes, &["PRAGMA"]) && lexemes.iter().any(|lexeme| lexeme.is("FOREIGN_KEYS"));
    let value = lexemes.iter().rev().find(|lexeme| !lexeme.is_sign(b')'))?.text.to_ascii_lowercase();
    (named && lexemes.len() > 3).then(|| ["off", "0", "false", "no"].contains(&value.trim_matches('\'')))
}

/// Where the statements of a file stand: a savepoint outside of a transaction begins one, and its release ends it
/// (<https://www.sqlite.org/lang_savepoint.html>).
#[derive(Default)]
struct Transaction {
    begun: bool,
    savepoints: Vec<String>,
}

impl Transaction {
    fn is_open(&self) -> bool {
        self.begun || !self.savepoints.is_empty()
    }

    fn follow(&mut self, lexemes: &[Lexeme<'_>]) {
        let starts = |word: &str| begins(lexemes, &[word]);
        if starts("BEGIN") {
            self.begun = true;
        } else if starts("SAVEPOINT") {
            self.savepoints.extend(look::name_at(lexemes, 1).map(|(name, _)| name));
        } else if starts("RELEASE") {
            let name = look::name_at(lexemes, look::after(lexemes, 1, &["SAVEPOINT"])).map(|(name, _)| name);
            if let Some(place) = self.savepoints.iter().rposition(|own| Some(own) == name.as_ref()) {
                self.savepoints.truncate(place);
            }
        } else if starts("COMMIT") || starts("END") || starts("ROLLBACK") && !look::says(lexemes, &["TO"]) {
            *self = Self::default();
        }
    }
}
