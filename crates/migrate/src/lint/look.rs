//! What statements say, as far as the rules need it: which table, which actions. Names are folded to lower case.

use database::script::{Lexeme, begins};

use crate::clauses;

/// The name at a place, without what qualifies it, and the place after it.
pub(super) fn name_at(lexemes: &[Lexeme<'_>], place: usize) -> Option<(String, usize)> {
    let (mut parts, next) = qualified_at(lexemes, place)?;
    Some((parts.pop()?, next))
}

/// The parts of the name at a place, and the place after it.
pub(super) fn qualified_at(lexemes: &[Lexeme<'_>], mut place: usize) -> Option<(Vec<String>, usize)> {
    let mut parts = vec![lexemes.get(place)?.identifier()?.to_lowercase()];
    while lexemes.get(place + 1).is_some_and(|lexeme| lexeme.is_sign(b'.')) {
        place += 2;
        parts.push(lexemes.get(place)?.identifier()?.to_lowercase());
    }
    Some((parts, place + 1))
}

/// The place after these words, where they stand at a place.
pub(super) fn after(lexemes: &[Lexeme<'_>], place: usize, words: &[&str]) -> usize {
    if lexemes.get(place..).is_some_and(|rest| begins(rest, words)) { place + words.len() } else { place }
}

/// The table that a statement makes, or says that there is to be one.
pub(super) fn created_table(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let table = create_table(lexemes)?;
    let place = after(lexemes, table + 1, &["IF", "NOT", "EXISTS"]);
    name_at(lexemes, place).map(|(name, _)| name)
}

/// The table that a statement makes, whatever was there: nobody has a row in it yet.
pub(super) fn new_table(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let table = create_table(lexemes)?;
    let is_temporary = lexemes[..table].iter().any(|word| word.is("TEMP") || word.is("TEMPORARY"));
    let maybe = begins(lexemes.get(table + 1..)?, &["IF", "NOT", "EXISTS"]) && !is_temporary;
    created_table(lexemes).filter(|_| !maybe)
}

/// The place of the word before the name of a table that is made.
fn create_table(lexemes: &[Lexeme<'_>]) -> Option<usize> {
    const KINDS: &[&str] = &["GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "FOREIGN", "VIRTUAL"];
    if !lexemes.first()?.is("CREATE") {
        return None;
    }
    // Other statements name tables too: CREATE PUBLICATION … FOR TABLE, CREATE VIEW … AS TABLE.
    let mut place = after(lexemes, 1, &["OR", "REPLACE"]);
    while lexemes.get(place).is_some_and(|lexeme| KINDS.iter().any(|kind| lexeme.is(kind))) {
        place += 1;
    }
    lexemes.get(place)?.is("TABLE").then_some(place)
}

/// The table that `CREATE INDEX` is about.
pub(super) fn indexed(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let place = after(lexemes, 1, &["UNIQUE"]);
    if !begins(lexemes, &["CREATE"]) || !lexemes.get(place)?.is("INDEX") {
        return None;
    }
    let on = place_of(lexemes, "ON")?;
    name_at(lexemes, after(lexemes, on + 1, &["ONLY"])).map(|(table, _)| table)
}

/// The tables that a statement drops, unless they are temporary ones.
pub(super) fn dropped_tables(lexemes: &[Lexeme<'_>]) -> Vec<String> {
    if !begins(lexemes, &["DROP", "TABLE"]) {
        return Vec::new();
    }
    let mut place = after(lexemes, 2, &["IF", "EXISTS"]);
    let mut names = Vec::new();
    while let Some((name, next)) = name_at(lexemes, place) {
        names.push(name);
        if !lexemes.get(next).is_some_and(|lexeme| lexeme.is_sign(b',')) {
            break;
        }
        place = next + 1;
    }
    names
}

/// `ALTER TABLE`, cut into its actions.
pub(super) struct Alter<'l, 'a> {
    pub(super) table: String,
    pub(super) actions: Vec<&'l [Lexeme<'a>]>,
}

pub(super) fn alter<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Option<Alter<'l, 'a>> {
    let table = lexemes.iter().take(4).position(|lexeme| lexeme.is("TABLE"))?;
    if !lexemes.first()?.is("ALTER") {
        return None;
    }
    let place = after(lexemes, table + 1, &["IF", "EXISTS"]);
    let (table, start) = name_at(lexemes, after(lexemes, place, &["ONLY"]))?;
    Some(Alter { table, actions: clauses::split(lexemes.get(start..)?) })
}

/// Whether the words stand one after the other outside of parentheses.
pub(super) fn says(lexemes: &[Lexeme<'_>], words: &[&str]) -> bool {
    outside(lexemes).any(|place| begins(&lexemes[place..], words))
}

/// Where a word stands first outside of parentheses.
pub(super) fn place_of(lexemes: &[Lexeme<'_>], word: &str) -> Option<usize> {
    outside(lexemes).find(|place| lexemes[*place].is(word))
}

/// The places outside of parentheses.
fn outside(lexemes: &[Lexeme<'_>]) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    lexemes.iter().enumerate().filter_map(move |(place, lexeme)| {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 {
            return Some(place);
        }
        None
    })
}

/// The columns that an action adds, each with its definition; none where it adds something else.
pub(super) fn added_columns<'l, 'a>(action: &'l [Lexeme<'a>]) -> Vec<(String, &'l [Lexeme<'a>])> {
    let place = after(action, 1, &["COLUMN"]);
    let place = after(action, place, &["IF", "NOT", "EXISTS"]);
    let is_list = action.get(place).is_some_and(|open| open.is_sign(b'('));
    if !(is_list && action[0].is("ADD")) {
        return added_column(action).into_iter().collect();
    }
    let columns = clauses::split(&action[place + 1..clauses::closing(action, place)]);
    columns.into_iter().filter_map(|column| Some((name_at(column, 0)?.0, &column[1..]))).collect()
}

fn added_column<'l, 'a>(action: &'l [Lexeme<'a>]) -> Option<(String, &'l [Lexeme<'a>])> {
    if !action.first()?.is("ADD") {
        return None;
    }
    const OTHERS: &[&str] = &[
        "CONSTRAINT",
        "INDEX",
        "KEY",
        "UNIQUE",
        "PRIMARY",
        "FOREIGN",
        "CHECK",
        "FULLTEXT",
        "SPATIAL",
        "PARTITION",
        "PERIOD",
    ];
    let place = after(action, 1, &["COLUMN"]);
    if place == 1 && action.get(1).is_some_and(|word| OTHERS.iter().any(|other| word.is(other))) {
        return None;
    }
    let place = after(action, place, &["IF", "NOT", "EXISTS"]);
    let (name, next) = name_at(action, place)?;
    Some((name, &action[next..]))
}

/// The column that an action drops; none where it drops something else.
pub(super) fn dropped_column(action: &[Lexeme<'_>]) -> Option<String> {
    if !action.first()?.is("DROP") {
        return None;
    }
    const OTHERS: &[&str] =
        &["CONSTRAINT", "INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM"];
    let place = after(action, 1, &["COLUMN"]);
    if place == 1 && action.get(1).is_some_and(|word| OTHERS.iter().any(|other| word.is(other))) {
        return None;
    }
    name_at(action, after(action, place, &["IF", "EXISTS"])).map(|(name, _)| name)
}
