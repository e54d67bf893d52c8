//! What a file for PostgreSQL drops or renames and makes itself: nobody uses what it made before, and who uses what it
//! makes again finds it there.

use database::script::{Lexeme, begins};

use super::{File, look};
use crate::clauses;

/// What may be made by a statement, and dropped or renamed by one of the same words.
struct Kind {
    words: &'static [&'static str],
    /// Whether one that is made again is as good as the one before.
    stands_in: bool,
}

const fn kind(words: &'static [&'static str], stands_in: bool) -> Kind {
    Kind { words, stands_in }
}

const KINDS: &[Kind] = &[
    kind(&["MATERIALIZED", "VIEW"], true),
    kind(&["VIEW"], true),
    kind(&["FUNCTION"], true),
    kind(&["PROCEDURE"], true),
    kind(&["AGGREGATE"], true),
    kind(&["TYPE"], true),
    kind(&["DOMAIN"], true),
    // It begins to count anew.
    kind(&["SEQUENCE"], false),
    kind(&["SCHEMA"], false),
];

/// Whether nobody misses what goes at a place by a rule.
pub(super) fn is_harmless(file: &File<'_>, rule: &str, at: usize) -> bool {
    let Some(place) = file.statements.iter().rposition(|looked| looked.statement.offset <= at) else {
        return false;
    };
    let lexemes = &file.statements[place].lexemes;
    if rule == "require-concurrent-index-deletion" {
        return drops_new_indexes(file, place);
    }
    // Nobody's query names them.
    if rule == "renaming-object" && (begins(lexemes, &["ALTER", "INDEX"]) || renames_constraint(lexemes)) {
        return true;
    }
    let is_loss = rule.starts_with("ban-drop-") || ["renaming-object", "ban-set-schema"].contains(&rule);
    // What goes with it is not made again.
    if !is_loss || lexemes.iter().any(|lexeme| lexeme.is("CASCADE")) {
        return false;
    }
    if look::alter(lexemes).is_some() {
        return is_harmless_action(file, place, at);
    }
    KINDS.iter().any(|kind| {
        let dropped = subjects(lexemes, "DROP", kind.words);
        let altered = subjects(lexemes, "ALTER", kind.words);
        !dropped.is_empty() && dropped.iter().all(|one| goes_well(file, place, kind, one))
            || altered.iter().any(|one| match one.new_name() {
                Some(_) => goes_well(file, place, kind, one),
                None => goes_well(file, place, &Kind { stands_in: false, ..*kind }, one),
            })
    })
}

fn renames_constraint(lexemes: &[Lexeme<'_>]) -> bool {
    let words = ["RENAME", "CONSTRAINT"];
    look::alter(lexemes)
        .is_some_and(|alter| alter.actions.first().is_some_and(|action| begins(action, &words)))
        || begins(lexemes, &["ALTER", "DOMAIN"]) && look::says(lexemes, &words)
}

/// What a statement is about: a name, and what follows it in its clause.
struct Subject<'l, 'a> {
    name: Vec<String>,
    rest: &'l [Lexeme<'a>],
}

impl Subject<'_, '_> {
    /// The name that it gets.
    fn new_name(&self) -> Option<Vec<String>> {
        let past = if self.rest.first()?.is_sign(b'(') { clauses::closing(self.rest, 0) + 1 } else { 0 };
        let rest = self.rest.get(past..).filter(|rest| begins(rest, &["RENAME", "TO"]))?;
        let mut name = self.name.clone();
        *name.last_mut()? = look::name_at(rest, 2)?.0;
        Some(name)
    }

    fn arguments(&self) -> Option<Vec<&[Lexeme<'_>]>> {
        self.rest.first().filter(|open| open.is_sign(b'('))?;
        self.rest.get(1..clauses::closing(self.rest, 0)).map(clauses::split)
    }

    /// Whether the arguments that it names are those that another one was made with, which may be named and have
    /// defaults. A name alone stands for one function only.
    fn takes_those_of(&self, made: &Subject<'_, '_>) -> bool {
        let Some(own) = self.arguments() else { return true };
        let others = made.arguments().unwrap_or_default();
        own.len() == others.len()
            && own.iter().zip(others).all(|(own, other)| {
                let end = other.iter().position(|word| word.is("DEFAULT") || word.is_sign(b'='));
                let other = &other[..end.unwrap_or(other.len())];
                let tail = other.len().checked_sub(own.len()).map(|start| &other[start..]);
                tail.is_some_and(|tail| {
                    tail.iter().zip(*own).all(|(a, b)| a.text.eq_ignore_ascii_case(b.text))
                })
            })
    }
}

/// The names after a verb and a kind: `DROP VIEW IF EXISTS a, b`, `CREATE OR REPLACE VIEW a`.
fn subjects<'l, 'a>(lexemes: &'l [Lexeme<'a>], verb: &str, kind: &[&str]) -> Vec<Subject<'l, 'a>> {
    let place = look::after(lexemes, 1, &["OR", "REPLACE"]);
    if !begins(lexemes, &[verb]) || !begins(&lexemes[place..], kind) {
        return Vec::new();
    }
    let place = look::after(lexemes, place + kind.len(), &["IF", "NOT", "EXISTS"]);
    let place = look::after(lexemes, place, &["IF", "EXISTS"]);
    // Only a DROP has a list of them.
    let list = if verb == "DROP" { clauses::split(&lexemes[place..]) } else { vec![&lexemes[place..]] };
    list.into_iter()
        .filter_map(|clause| {
            let (name, next) = look::qualified_at(clause, 0)?;
            Some(Subject { name, rest: &clause[next..] })
        })
        .collect()
}

/// What a statement makes that nobody had before: it could have been there where the statement says OR REPLACE or IF NOT
/// EXISTS, unless it is of this connection only.
fn new_one<'l, 'a>(lexemes: &'l [Lexeme<'a>], kind: &[&str]) -> Option<Subject<'l, 'a>> {
    if !begins(lexemes, &["CREATE"]) {
        return None;
    }
    let mut place = look::after(lexemes, 1, &["OR", "REPLACE"]);
    let replaces = place > 1;
    let mut is_own = false;
    while let Some(word) = lexemes.get(place) {
        let is_temporary = word.is("TEMP") || word.is("TEMPORARY");
        if !is_temporary && !word.is("RECURSIVE") && !word.is("UNLOGGED") {
            break;
        }
        is_own |= is_temporary;
        place += 1;
    }
    let start = look::after(lexemes, place, kind);
    let name = look::after(lexemes, start, &["IF", "NOT", "EXISTS"]);
    if start == place {
        return None;
    }
    let maybe = replaces || name > start;
    let (name, next) = look::qualified_at(lexemes, name)?;
    is_own |= name.first().is_some_and(|first| first == "pg_temp");
    (is_own || !maybe).then(|| Subject { name, rest: &lexemes[next..] })
}

/// Where something has its name from.
enum Origin {
    /// The file made it.
    Made,
    /// The statement at this place gave it.
    Renamed(usize),
}

fn origin(file: &File<'_>, place: usize, kind: &Kind, gone: &Subject<'_, '_>) -> Option<Origin> {
    file.statements[..place].iter().enumerate().rev().find_map(|(before, looked)| {
        let made = new_one(&looked.lexemes, kind.words);
        if made.is_some_and(|made| made.name == gone.name && gone.takes_those_of(&made)) {
            return Some(Origin::Made);
        }
        let renamed = subjects(&looked.lexemes, "ALTER", kind.words);
        let is_it =
            |one: &Subject<'_, '_>| one.new_name().as_ref() == Some(&gone.name) && gone.takes_those_of(one);
        renamed.iter().any(is_it).then_some(Origin::Renamed(before))
    })
}

/// Whether what goes from its name at a statement was made by the file, or is made again by it.
fn goes_well(file: &File<'_>, place: usize, kind: &Kind, gone: &Subject<'_, '_>) -> bool {
    match origin(file, place, kind, gone) {
        Some(Origin::Made) => true,
        Some(Origin::Renamed(before)) => {
            let renamed = subjects(&file.statements[before].lexemes, "ALTER", kind.words);
            renamed.iter().any(|one| goes_well(file, before, kind, one))
        }
        None => kind.stands_in && comes_again(file, place, kind.words, &gone.name),
    }
}

/// Whether the statements after this one leave something of that name behind.
fn comes_again(file: &File<'_>, place: usize, kind: &[&str], name: &[String]) -> bool {
    // One of the two may say less of where it is.
    let same = |other: &[String]| {
        other == name || other.last() == name.last() && (other.len() == 1 || name.len() == 1)
    };
    let mut there = false;
    for looked in &file.statements[place..] {
        let lexemes = &looked.lexemes;
        there |= subjects(lexemes, "CREATE", kind).iter().any(|one| same(&one.name));
        there &= !subjects(lexemes, "DROP", kind).iter().any(|one| same(&one.name));
        for (old, new) in
            subjects(lexemes, "ALTER", kind).iter().filter_map(|one| Some((&one.name, one.new_name()?)))
        {
            there = (there || same(&new)) && !same(old);
        }
    }
    there
}

/// Whether an action of ALTER TABLE takes away what the file gives: a constraint, a default, a column.
fn is_harmless_action(file: &File<'_>, place: usize, at: usize) -> bool {
    let looked = &file.statements[place];
    let Some(alter) = look::alter(&looked.lexemes) else { return false };
    // The one that begins last before it: a statement may drop what it does not make again, too.
    let start = |action: &[Lexeme<'_>]| {
        let first = action.first().map_or(looked.statement.text, |first| first.text);
        looked.statement.offset + (first.as_ptr() as usize - looked.statement.text.as_ptr() as usize)
    };
    let Some(action) = alter.actions.iter().rfind(|action| start(action) <= at) else { return false };
    let actions = |from: usize, to: usize| {
        let others = file.statements[from..to].iter().filter_map(|looked| look::alter(&looked.lexemes));
        others.filter(|other| other.table == alter.table).flat_map(|other| other.actions).collect::<Vec<_>>()
    };
    let end = file.statements.len();
    if let Some(gone) = subjects(action, "DROP", &["CONSTRAINT"]).first() {
        // One that was only there to be compared with the rows before NOT NULL is said is no guarantee of its own.
        let gives = |other: &[Lexeme<'_>]| {
            let named = other.iter().enumerate().any(|(place, word)| {
                let name = || look::qualified_at(other, place + 1).map(|(name, _)| name);
                word.is("CONSTRAINT") && name().as_ref() == Some(&gone.name)
            });
            named && (begins(other, &["ADD"]) || begins(other, &["VALIDATE"]))
        };
        return actions(0, end).iter().any(|other| gives(other));
    }
    let is_new = |column: &str| {
        actions(0, place).into_iter().any(|other| {
            let maybe = look::says(other, &["IF", "NOT", "EXISTS"]);
            !maybe && look::added_columns(other).iter().any(|(name, _)| name == column)
        })
    };
    if let Some(column) = look::dropped_column(action) {
        return is_new(&column);
    }
    let Some((column, how)) = altered_column(action) else { return false };
    let sets = |other: &[Lexeme<'_>]| {
        altered_column(other).is_some_and(|(name, how)| name == column && begins(how, &["SET", "DEFAULT"]))
    };
    if !begins(how, &["DROP", "DEFAULT"]) {
        return is_new(&column);
    }
    // Whoever does not know a column that is new gives it no value: without a default its rows are refused then.
    let says = |statement: usize, words: &[&str]| {
        actions(statement, statement + 1).into_iter().any(|other| {
            altered_column(other).is_some_and(|(name, how)| name == column && begins(how, words))
        })
    };
    let is_added_required = |statement: usize| {
        let added: Vec<_> =
            actions(statement, statement + 1).into_iter().flat_map(look::added_columns).collect();
        added.iter().any(|(name, definition)| {
            let required = look::says(definition, &["NOT", "NULL"]);
            *name == column && (required || look::says(definition, &["PRIMARY", "KEY"]))
        })
    };
    // Within one statement the server drops first, whatever stands first.
    let is_required_after = |last: usize| {
        (0..=last).fold(false, |required, statement| {
            let stays = required && !says(statement, &["DROP", "NOT", "NULL"]);
            stays || is_added_required(statement) || says(statement, &["SET", "NOT", "NULL"])
        })
    };
    // In a transaction others see the end of it alone.
    let is_required = is_required_after(end - 1) || !file.transaction && is_required_after(place);
    is_new(&column) && !is_required || actions(place, end).iter().any(|other| sets(other))
}

/// The column of `ALTER [COLUMN] a …`, and what is done with it.
fn altered_column<'l, 'a>(action: &'l [Lexeme<'a>]) -> Option<(String, &'l [Lexeme<'a>])> {
    action.first().filter(|first| first.is("ALTER"))?;
    let (name, next) = look::name_at(action, look::after(action, 1, &["COLUMN"]))?;
    Some((name, &action[next..]))
}

/// Whether every index that a statement drops was made by the file, on a table that it made: nobody waits for it.
fn drops_new_indexes(file: &File<'_>, place: usize) -> bool {
    let dropped = subjects(&file.statements[place].lexemes, "DROP", &["INDEX"]);
    let made: Vec<String> = file.statements[..place]
        .iter()
        .filter_map(|looked| {
            let unique = if begins(&looked.lexemes, &["CREATE", "UNIQUE"]) { 2 } else { 1 };
            let start = look::after(&looked.lexemes, unique, &["INDEX"]);
            let (name, on) = look::name_at(&looked.lexemes, start).filter(|_| start > unique)?;
            let on = look::after(&looked.lexemes, on, &["ON"]);
            let (table, _) = look::name_at(&looked.lexemes, look::after(&looked.lexemes, on, &["ONLY"]))?;
            file.is_new(&table, looked).then_some(name)
        })
        .collect();
    !dropped.is_empty() && dropped.iter().all(|one| one.name.len() == 1 && made.contains(&one.name[0]))
}
