//! MySQL and MariaDB: which ALTERs copy the table or keep writers out
//! (<https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html>), and what they do to values in silence.

use database::script::{Lexeme, begins};

use super::{File, Hit, Looked, look, rows};
use crate::clauses;

pub(crate) const NAMES: &[&str] = &[
    "adding-foreign-key-constraint",
    "adding-required-field",
    "ban-drop-column",
    "ban-drop-database",
    "ban-drop-history",
    "ban-drop-partition",
    "ban-drop-sequence",
    "ban-drop-table",
    "changing-column-type",
    "changing-enum",
    "copying-alter",
    "ignoring-alter",
    "locking-index",
    "renaming-column",
    "renaming-table",
    "replace-into",
];

const REFUSE: &str = "add `, ALGORITHM=INPLACE, LOCK=NONE`, so that the server refuses rather than keeps others out, or copy \
                      in the background with an online schema change tool";

pub(crate) fn judge(file: &File<'_>, _version: Option<&str>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for looked in file.all() {
        let lexemes = &looked.lexemes;
        let mut hit =
            |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
        for table in look::dropped_tables(lexemes).iter().filter(|table| !file.is_new(table, looked)) {
            hit(
                "ban-drop-table",
                format!("the table {table} goes with its rows"),
                "rename it away first, and drop it once nobody has missed it",
            );
        }
        let replaces = begins(lexemes, &["CREATE", "OR", "REPLACE"])
            && !lexemes.iter().take(5).any(|word| word.is("TEMPORARY"));
        let replaced = look::created_table(lexemes).filter(|table| !file.is_new(table, looked));
        if let (true, Some(table)) = (replaces, replaced) {
            hit(
                "ban-drop-table",
                format!("a table {table} that is there already goes with its rows"),
                "make it with CREATE TABLE, which fails where there is one",
            );
        }
        for sequence in lost_sequences(file, looked) {
            hit(
                "ban-drop-sequence",
                format!("the sequence {sequence} goes, and with it which numbers it has given"),
                "stop using it first, and drop it a release later; ALTER SEQUENCE changes one that stays",
            );
        }
        let before = look::says(lexemes, &["BEFORE", "SYSTEM_TIME"]);
        if let (true, false, Some((table, _))) =
            (begins(lexemes, &["DELETE", "HISTORY", "FROM"]), before, look::name_at(lexemes, 3))
        {
            hit(
                "ban-drop-history",
                format!("every earlier version of the rows of {table} is deleted"),
                "say which with BEFORE SYSTEM_TIME",
            );
        }
        if begins(lexemes, &["DROP", "DATABASE"]) || begins(lexemes, &["DROP", "SCHEMA"]) {
            hit(
                "ban-drop-database",
                "a whole database goes".to_owned(),
                "drop it by hand, after a backup of it",
            );
        }
        if begins(lexemes, &["RENAME", "TABLE"]) {
            hit(
                "renaming-table",
                "what runs still uses the old name".to_owned(),
                "make a view of the old name, and drop it later",
            );
        }
        if begins(lexemes, &["CREATE", "FULLTEXT"]) || begins(lexemes, &["CREATE", "SPATIAL"]) {
            let on = lexemes.iter().position(|lexeme| lexeme.is("ON"));
            let table = on.and_then(|on| look::name_at(lexemes, on + 1)).map(|(table, _)| table);
            if !table.is_some_and(|table| file.is_new(&table, looked)) {
                hit(
                    "locking-index",
                    "writers wait while this index is built".to_owned(),
                    "run it when nobody writes",
                );
            }
        }
        hits.extend(altered(file, looked));
    }
    hits.extend(rows::judge_replaced(file, "keep the row: INSERT … ON DUPLICATE KEY UPDATE"));
    hits
}

/// The sequences of MariaDB that a statement drops or replaces, and the file has not made itself.
fn lost_sequences(file: &File<'_>, looked: &Looked<'_>) -> Vec<String> {
    let lexemes = &looked.lexemes;
    let names = if begins(lexemes, &["DROP", "SEQUENCE"]) {
        &lexemes[look::after(lexemes, 2, &["IF", "EXISTS"])..]
    } else if begins(lexemes, &["CREATE", "OR", "REPLACE", "SEQUENCE"]) {
        &lexemes[4..]
    } else {
        return Vec::new();
    };
    let is_made = |name: &str| {
        let earlier = file.all().filter(|other| other.turn < looked.turn);
        let mut made = earlier.filter(|other| begins(&other.lexemes, &["CREATE", "SEQUENCE"]));
        made.any(|other| look::name_at(&other.lexemes, 2).is_some_and(|(made, _)| made == name))
    };
    let names = clauses::split(names).into_iter().filter_map(|name| Some(look::name_at(name, 0)?.0));
    names.filter(|name| !is_made(name)).collect()
}

fn altered(file: &File<'_>, looked: &Looked<'_>) -> Vec<Hit> {
    let Some(alter) = look::alter(&looked.lexemes).filter(|alter| !file.is_new(&alter.table, looked)) else {
        return Vec::new();
    };
    let table = &alter.table;
    let mut hits = Vec::new();
    // The statement fails where it could not be done so: nobody is kept out by surprise.
    let online = alter.actions.iter().any(|action| {
        let value = |word: &str| action.last().is_some_and(|last| last.is(word));
        action.first().is_some_and(|first| first.is("ALGORITHM"))
            && (value("INSTANT") || value("INPLACE") || value("NOCOPY"))
            || action.first().is_some_and(|first| first.is("LOCK")) && value("NONE")
    });
    let mut hit = |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
    if looked.lexemes.iter().take(3).any(|word| word.is("IGNORE")) {
        hit(
            "ignoring-alter",
            format!("rows of {table} that do not fit are dropped, or cut, without an error"),
            "leave out IGNORE, and see first which rows do not fit",
        );
    }
    for action in &alter.actions {
        for (column, definition) in look::added_columns(action) {
            if required(definition) {
                hit(
                    "adding-required-field",
                    format!(
                        "the rows that {table} has get an empty value for {column} (0, '' or a zero date), whatever was meant"
                    ),
                    "give it a DEFAULT, or add it without NOT NULL, fill it, and then make it NOT NULL",
                );
            }
            // Each row gets a number, or what is computed of it.
            let fills = ["STORED", "PERSISTENT", "AUTO_INCREMENT"];
            if !online && fills.iter().any(|word| look::says(definition, &[word])) {
                hit("copying-alter", format!("the whole table {table} is copied while writers wait"), REFUSE);
            }
        }
        if let Some(column) = look::dropped_column(action) {
            hit(
                "ban-drop-column",
                format!("the column {column} of {table} goes with its values"),
                "stop using it first, and drop it a release later",
            );
        }
        let starts = |words: &[&str]| begins(action, words);
        if starts(&["CHANGE"]) || starts(&["MODIFY"]) {
            hits_of_change(table, action, online, &mut hit);
        }
        if starts(&["RENAME", "COLUMN"]) {
            hit(
                "renaming-column",
                format!("what runs still uses the old name of a column of {table}"),
                "add the new column beside it, and drop the old one later",
            );
        }
        if starts(&["RENAME"]) && !["COLUMN", "INDEX", "KEY"].iter().any(|word| starts(&["RENAME", word])) {
            hit(
                "renaming-table",
                format!("what runs still uses the name {table}"),
                "make a view of the old name, and drop it later",
            );
        }
        let foreign = starts(&["ADD", "FOREIGN"])
            || starts(&["ADD", "CONSTRAINT"]) && look::says(action, &["FOREIGN", "KEY"]);
        if foreign && !online {
            hit(
                "adding-foreign-key-constraint",
                format!("every row of {table} is looked up in the other table while writers of both wait"),
                "see first that every row has its match; `SET foreign_key_checks = 0` lets it be added in place, unproven",
            );
        }
        let checks = starts(&["ADD", "CHECK"])
            || starts(&["ADD", "CONSTRAINT"]) && !foreign && look::says(action, &["CHECK"]);
        // One that is not enforced is compared with no row.
        if checks && !online && !look::says(action, &["NOT", "ENFORCED"]) {
            hit(
                "copying-alter",
                format!("the whole table {table} is copied, and each row compared, while writers wait"),
                REFUSE,
            );
        }
        for (verb, rule) in [("DROP", "ban-drop-partition"), ("TRUNCATE", "truncate-table")] {
            if starts(&[verb, "PARTITION"]) {
                hit(
                    rule,
                    format!("the rows of a partition of {table} go with it"),
                    "exchange the partition with an empty table first, and drop that once nobody has missed it",
                );
            }
        }
        if starts(&["DROP", "SYSTEM", "VERSIONING"]) {
            hit(
                "ban-drop-history",
                format!("every earlier version of the rows of {table} goes with it"),
                "copy them into a table of their own first: INSERT … SELECT … FOR SYSTEM_TIME ALL",
            );
        }
        if starts(&["DISCARD"]) {
            hit(
                "ban-drop-table",
                format!("the rows of {table} go with its tablespace"),
                "keep a copy of its file, from which it can be imported again",
            );
        }
        if starts(&["ADD", "FULLTEXT"]) || starts(&["ADD", "SPATIAL"]) {
            hit(
                "locking-index",
                format!("writers of {table} wait while this index is built"),
                "run it when nobody writes",
            );
        }
        let copies = [
            &["CONVERT", "TO"][..],
            &["DROP", "PRIMARY"],
            &["ENGINE"],
            &["ORDER", "BY"],
            &["PARTITION", "BY"],
            &["COALESCE", "PARTITION"],
            &["REORGANIZE", "PARTITION"],
            &["REBUILD", "PARTITION"],
            &["OPTIMIZE", "PARTITION"],
            &["REMOVE", "PARTITIONING"],
        ];
        let alone = starts(&["DROP", "PRIMARY"])
            && alter.actions.iter().any(|other| look::says(other, &["ADD", "PRIMARY"]));
        if !online && !alone && copies.iter().any(|words| starts(words)) {
            hit("copying-alter", format!("the whole table {table} is copied while writers wait"), REFUSE);
        }
    }
    hits
}

fn hits_of_change(
    table: &str,
    action: &[Lexeme<'_>],
    online: bool,
    hit: &mut impl FnMut(&'static str, String, &str),
) {
    let place = if action.get(1).is_some_and(|word| word.is("COLUMN")) { 2 } else { 1 };
    let Some((column, next)) = look::name_at(action, place) else { return };
    let mut definition = next;
    if action[0].is("CHANGE")
        && let Some((new, after)) = look::name_at(action, next)
    {
        definition = after;
        if new != column {
            hit(
                "renaming-column",
                format!("what runs still uses {table}.{column}"),
                "add the new column beside it, and drop the old one later",
            );
        }
    }
    let definition = &action[definition.min(action.len())..];
    let is_enum = definition.first().is_some_and(|word| word.is("ENUM") || word.is("SET"));
    if is_enum {
        hit(
            "changing-enum",
            format!(
                "the list of {table}.{column} is new: a value that is no longer in it becomes '', and another order copies the table"
            ),
            "add values at the end only, and see first that no row has a value that goes",
        );
    } else if !online {
        hit(
            "changing-column-type",
            format!(
                "{table}.{column} gets another definition, for which the whole table may be copied while writers wait; \
                     what the definition does not repeat (NOT NULL, DEFAULT, COMMENT) is lost"
            ),
            REFUSE,
        );
    }
}

/// Whether a new column refuses NULL and says nothing of what the rows that are there get.
fn required(definition: &[Lexeme<'_>]) -> bool {
    let gives = ["DEFAULT", "AUTO_INCREMENT", "AS", "GENERATED"];
    look::says(definition, &["NOT", "NULL"]) && !gives.iter().any(|word| look::says(definition, &[word]))
}
