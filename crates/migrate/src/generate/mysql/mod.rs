mod triggers;
mod types;

use std::collections::BTreeSet;

use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Generated, Kind, Object, ObjectId, Schema, mysql::catalog, quote};

use super::parts::{Parts, columns};
use super::step::{Between, Change, Dialect, InPlace, Owners, Statement, Step, Unwritable, views_on};
use crate::engine;
use types::{holds_letters, keeps, letter_options, letters};

/// Changes of MySQL's and MariaDB's objects: all of a table in one ALTER TABLE, which is done or not done.
pub(crate) struct Mysql;

fn ident(name: &str) -> String {
    quote::identifier(Engine::Mysql, name)
}

impl Dialect for Mysql {
    fn normal(&self, object: &Object) -> String {
        let text = engine::canonical(Engine::Mysql, &object.definition);
        if object.id.kind == Kind::Trigger { triggers::on_quoted(&text).unwrap_or(text) } else { text }
    }

    fn same(&self, one: &Object, other: &Object) -> bool {
        if self.normal(one) == self.normal(other) {
            return one.id.kind != Kind::Trigger || triggers::fire_alike(one, other);
        }
        // Whoever does not say when an event begins means no moment: not the one at which it was made here or there.
        let without = |object: &Object| engine::without_starts(&object.definition);
        let same = |one: &str, other: &str| {
            engine::canonical(Engine::Mysql, one) == engine::canonical(Engine::Mysql, other)
        };
        one.id.kind == Kind::Event
            && match (without(one), without(other)) {
                (Some(one), None) => same(&one, &other.definition),
                (None, Some(other)) => same(&one.definition, &other),
                _ => false,
            }
    }

    fn complete(&self, schema: &mut Schema) {
        // A view is made at once here, as it is, since what it is made of is there before it.
        let hollow: Vec<Object> =
            schema.objects.extract_if(.., |object| object.id.kind == Kind::View).collect();
        for object in &mut schema.objects {
            if object.id.kind == Kind::ViewBody {
                object.id.kind = Kind::View;
                let table = hollow.iter().find(|one| one.id == object.id).and_then(|one| one.table.clone());
                object.table = table;
                if let Some((first, rest)) = object.definition.split_once('\n')
                    && first.starts_with("DROP VIEW")
                {
                    object.definition = rest.to_owned();
                }
                object.depends_on.clear();
            }
            object.definition = in_nobodys_name(&object.definition);
        }
        let names: Vec<(String, ObjectId)> =
            schema.objects.iter().map(|one| (plain(&one.id.name), one.id.clone())).collect();
        for object in &mut schema.objects {
            let words: BTreeSet<String> = match object.id.kind {
                Kind::View => names_in(&object.definition),
                Kind::ForeignKey => {
                    let target =
                        object.definition.split_once(" REFERENCES ").map_or("", |(_, target)| target);
                    names_in(target).into_iter().take(1).collect()
                }
                _ => continue,
            };
            let is_one =
                |kind: Kind| matches!(kind, Kind::Table | Kind::View | Kind::Function | Kind::Sequence);
            let needs = names.iter().filter(|(name, id)| {
                is_one(id.kind) && *id != object.id && words.contains(name) && !object.depends_on.contains(id)
            });
            let needs: Vec<ObjectId> = needs.map(|(_, id)| id.clone()).collect();
            object.depends_on.extend(needs);
        }
    }

    fn create(&self, object: &Object, _between: Between<'_>) -> Vec<Statement> {
        if object.definition.is_empty() {
            return Vec::new();
        }
        vec![Statement::new(&object.definition)]
    }

    fn drop(&self, object: &Object, _between: Between<'_>) -> Result<Vec<Statement>, Unwritable> {
        let name = ident(&object.id.name);
        let word = match object.id.kind {
            Kind::Table => "TABLE",
            Kind::View => "VIEW",
            Kind::Trigger => "TRIGGER",
            Kind::Function => "FUNCTION",
            Kind::Procedure => "PROCEDURE",
            Kind::Event => "EVENT",
            Kind::Sequence => "SEQUENCE",
            // It goes with its event.
            Kind::EventState => return Ok(Vec::new()),
            Kind::ForeignKey => {
                let table = ident(&object.id.of);
                return Ok(vec![Statement::new(format!("ALTER TABLE {table} DROP FOREIGN KEY {name};\n"))]);
            }
            _ => return Err(Unwritable::new("dbm does not write what drops this kind of object")),
        };
        let bare = object.id.name.split('(').next().unwrap_or_default();
        let name = if matches!(word, "FUNCTION" | "PROCEDURE") { ident(bare) } else { name };
        let statement = Statement::new(format!("DROP {word} {name};\n"));
        Ok(vec![match object.id.kind {
            Kind::Table => statement.losing(format!("the rows of {}", object.id)),
            Kind::Sequence => statement.losing(format!("how far {} has counted", object.id)),
            _ => statement,
        }])
    }

    fn change(&self, old: &Object, new: &Object, _between: Between<'_>) -> Result<Change, Unwritable> {
        match old.id.kind {
            Kind::Table => table(old, new).map(Change::InPlace),
            Kind::Sequence => {
                let altered = new.definition.replacen("CREATE SEQUENCE", "ALTER SEQUENCE", 1);
                let altered =
                    altered.split(" ENGINE=").next().unwrap_or_default().trim_end_matches(";\n").to_owned();
                Ok(Change::InPlace(InPlace {
                    statements: vec![Statement::new(format!("{altered};\n"))],
                    ..InPlace::default()
                }))
            }
            _ => Ok(Change::Again),
        }
    }

    fn goes_with(&self, object: &Object, schema: &Schema) -> Vec<ObjectId> {
        let table = |one: &&Object| one.id.kind == Kind::Table && one.id.name == object.id.of;
        let belongs = object.id.kind == Kind::Trigger;
        schema.objects.iter().filter(|_| belongs).filter(table).map(|one| one.id.clone()).collect()
    }

    fn is_in_the_way(&self, dependent: &Object, _need: &ObjectId) -> bool {
        dependent.id.kind == Kind::ForeignKey
    }

    fn may_be_made_again(&self, object: &Object) -> bool {
        !matches!(object.id.kind, Kind::Table | Kind::Sequence)
    }

    fn preamble(&self, _steps: &[&Step], _transaction: bool) -> String {
        String::new()
    }

    fn owners(&self, there: &Schema, _made: &Schema, account: &str) -> Owners {
        let others = there.objects.iter().filter_map(|object| {
            let statements = script::split(Engine::Mysql, &object.definition).ok()?;
            let definer = statements.iter().find_map(|statement| catalog::definer(statement.text))?;
            let kind = if object.id.kind == Kind::ViewBody { Kind::View } else { object.id.kind };
            let who = format!("{}@{}", ident(&definer.user), ident(&definer.host));
            (definer.user != account).then(|| (ObjectId { kind, ..object.id.clone() }, who))
        });
        others.collect()
    }

    fn give_back(&self, object: &Object, owner: &str, statements: &mut Vec<Statement>) {
        // Only an account with rights over all others may name one, which that of a scratch database has not.
        if let Some(first) = statements.first_mut() {
            first.loses = Some(format!("that {} acts in the name of {owner}", object.id));
        }
    }

    fn broken_by_rename<'s>(
        &self,
        object: &Object,
        column: Option<&str>,
        schema: &'s Schema,
    ) -> Vec<&'s Object> {
        let mut broken = column.map_or_else(Vec::new, |column| triggers::naming(object, column, schema));
        broken.extend(views_on(object, schema));
        broken
    }

    fn rename(&self, object: &Object, column: Option<&str>, to: &str) -> Option<String> {
        let table = (object.id.kind == Kind::Table).then(|| ident(&object.id.name))?;
        Some(match column {
            Some(column) => {
                format!("ALTER TABLE {table} RENAME COLUMN {} TO {};\n", ident(column), ident(to))
            }
            None => format!("RENAME TABLE {table} TO {};\n", ident(to)),
        })
    }
}

/// A name in the form in which two are compared: the server's folder of files may tell large and small letters apart,
/// what is written of it need not.
fn plain(name: &str) -> String {
    name.split('(').next().unwrap_or_default().to_lowercase()
}

/// The names that a text has in backticks, in their order.
fn names_in(text: &str) -> BTreeSet<String> {
    let lexemes = script::lexemes(Engine::Mysql, text).unwrap_or_default();
    let names = lexemes.iter().filter(|lexeme| lexeme.kind == LexemeKind::Name);
    names.filter_map(Lexeme::identifier).map(|name| name.to_lowercase()).collect()
}

/// A definition that acts in the name of whoever runs it. What is made under settings of its own stands between delimiters.
fn in_nobodys_name(definition: &str) -> String {
    const BEGIN: &str = "DELIMITER ;;\n";
    match definition.split_once(BEGIN) {
        Some((before, rest)) => {
            format!("{before}{BEGIN}{}", catalog::without_definer(rest))
        }
        None => catalog::without_definer(definition).into_owned(),
    }
}

/// One ALTER TABLE for all that differs.
fn table(old: &Object, new: &Object) -> Result<InPlace, Unwritable> {
    let parts = |object: &Object| {
        Parts::of(Engine::Mysql, &object.definition)
            .ok_or_else(|| Unwritable::new("its definition is written in a way that dbm does not know"))
    };
    let (before, after) = (parts(old)?, parts(new)?);
    let mut actions = Vec::new();
    let mut losses = Vec::new();
    let mut notes = Vec::new();
    let mut disturbs = false;
    let computed = |object: &Object, name: &str| -> Option<Generated> {
        columns(object).iter().find(|column| column.name == name)?.generated
    };
    let anew = |name: &str| {
        let differs = before.column(name) != after.column(name);
        let (was, is) = (computed(old, name), computed(new, name));
        // Values that are stored stay, and are the column's own from then on.
        let stays = was == Some(Generated::Stored) && is.is_none() && after.column(name).is_some();
        differs && !stays && (was.is_some() || is.is_some())
    };
    // A key would go with a column that is made again, and come back as something else.
    let remade: BTreeSet<String> = before
        .columns
        .iter()
        .map(|(name, _)| name)
        .filter(|name| anew(name) && after.column(name).is_some())
        .map(|name| name.to_lowercase())
        .collect();
    // MariaDB keeps the size that the table had with each key that it does not make again.
    let resized = block_size(&before.tail) != block_size(&after.tail);
    let is_key = |clause: &str| !clause.starts_with("CONSTRAINT") && !clause.starts_with("PERIOD");
    let stays = |clause: &String, others: &[(String, String)]| {
        let is_same = others.iter().any(|(_, other)| other == clause);
        is_same && names_in(clause).is_disjoint(&remade) && !(resized && is_key(clause))
    };
    let mut found = InPlace::default();
    for (_, clause) in before.others.iter().filter(|(_, clause)| !stays(clause, &after.others)) {
        // The reference system of a column is not changed while such a key is on it, not even one that goes at once.
        if clause.starts_with("SPATIAL") {
            let text = format!("ALTER TABLE {} {};\n", ident(&old.id.name), without(clause)?);
            found.statements.push(Statement::new(text));
        } else {
            actions.push(without(clause)?);
        }
    }
    let mut order: Vec<String> = Vec::new();
    for (name, _) in &before.columns {
        if after.column(name).is_some() && !anew(name) {
            order.push(name.clone());
            continue;
        }
        actions.push(format!("DROP COLUMN {}", ident(name)));
        disturbs = true;
        if computed(old, name).is_none() {
            losses.push(format!("column {name} of {}", old.id));
        } else if after.column(name).is_some() && computed(new, name).is_none() {
            losses.push(format!("what column {name} of {} is computed to be", old.id));
        }
    }
    for (place, (name, clause)) in after.columns.iter().enumerate() {
        let at = match place.checked_sub(1) {
            Some(previous) => format!(" AFTER {}", ident(&after.columns[previous].0)),
            None => " FIRST".to_owned(),
        };
        let is_there = order.iter().any(|own| own == name);
        let moves = order.get(place) != Some(name);
        if moves {
            order.retain(|own| own != name);
            order.insert(place.min(order.len()), name.clone());
        }
        if !is_there {
            actions.push(format!("ADD COLUMN {} {clause}{at}", ident(name)));
            let column = columns(new).iter().find(|column| column.name == *name);
            if column.is_some_and(|column| {
                column.not_null && column.default.is_none() && column.generated.is_none()
            }) {
                notes.push(format!(
                    "where the table has rows, column {name} gets the server's own idea of nothing: 0, ''"
                ));
            }
            continue;
        }
        let was = before.column(name).unwrap_or_default();
        let letters = (letters(was, &before.tail), letters(clause, &after.tail));
        // One that says nothing of its letters has the table's, which a new set of the table's alone would not change.
        let follows = !letters.1.is_empty() && letter_options(&before.tail) != letter_options(&after.tail);
        if was != clause || moves || follows {
            let at = if moves { at } else { String::new() };
            actions.push(format!("MODIFY COLUMN {} {clause}{at}", ident(name)));
        }
        if was != clause || follows {
            disturbs = true;
            if !keeps(was, clause) || !holds_letters(&letters.0, &letters.1) {
                losses.push(format!(
                    "what column {name} of {} holds, where its new type cannot hold all of it",
                    old.id
                ));
            }
        }
    }
    for (_, clause) in &after.others {
        if !stays(clause, &before.others) {
            actions.push(format!("ADD {clause}"));
        }
    }
    let (was, is) = (tail(&before.tail), tail(&after.tail));
    actions.extend(options(was.0, is.0)?);
    let mut text = actions.join(",\n    ");
    if was.1 != is.1 {
        let parted = if is.1.is_empty() { "REMOVE PARTITIONING" } else { is.1 };
        text = [text.as_str(), parted]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n    ");
    }
    if !text.is_empty() {
        let mut statement = Statement::new(format!("ALTER TABLE {}\n    {text};\n", ident(&old.id.name)));
        statement.loses = (!losses.is_empty()).then(|| losses.join("; "));
        statement.note = (!notes.is_empty()).then(|| notes.join("; "));
        found.statements.push(statement);
    }
    if disturbs {
        found.disturbs.push(old.id.clone());
    }
    Ok(found)
}

/// What takes a key or constraint from a table.
fn without(clause: &str) -> Result<String, Unwritable> {
    if clause.starts_with("PRIMARY KEY") {
        return Ok("DROP PRIMARY KEY".to_owned());
    }
    let lexemes = script::lexemes(Engine::Mysql, clause).unwrap_or_default();
    let name = lexemes.iter().find(|lexeme| lexeme.kind == LexemeKind::Name).and_then(Lexeme::identifier);
    match name {
        Some(name) if clause.starts_with("CONSTRAINT") => Ok(format!("DROP CONSTRAINT {}", ident(&name))),
        Some(name) if !clause.starts_with("PERIOD") => Ok(format!("DROP KEY {}", ident(&name))),
        _ => Err(Unwritable::new(format!("dbm does not write what takes this from it: {clause}"))),
    }
}

/// What stands behind the columns: the options, and how the rows are parted.
fn tail(text: &str) -> (&str, &str) {
    let lexemes = script::lexemes(Engine::Mysql, text).unwrap_or_default();
    let found = lexemes.windows(2).find(|pair| script::begins(pair, &["PARTITION", "BY"]));
    let Some(place) = found.map(|pair| pair[0].text.as_ptr() as usize - text.as_ptr() as usize) else {
        return (text, "");
    };
    // MySQL writes it as `/*!50100 PARTITION BY … */`.
    let start = match text[..place].rfind("/*!") {
        Some(open) if !text[open..place].contains("*/") => open,
        _ => place,
    };
    (text[..start].trim_end(), text[start..].trim_end())
}

/// How large a table's options want the blocks of its keys.
fn block_size(text: &str) -> Option<String> {
    let lexemes = script::lexemes(Engine::Mysql, tail(text).0).unwrap_or_default();
    let found = lexemes.windows(3).find(|words| words[0].is("KEY_BLOCK_SIZE") && words[1].is_sign(b'='));
    found.map(|words| words[2].text.to_owned())
}

/// The options behind the columns that differ. Those that something else hangs on are not changed.
fn options(before: &str, after: &str) -> Result<Vec<String>, Unwritable> {
    if before == after {
        return Ok(Vec::new());
    }
    let odd = || Unwritable::new("its partitions or options cannot be changed in place");
    let read = |text: &str| -> Option<Vec<(String, String)>> {
        let lexemes = script::lexemes(Engine::Mysql, text).ok()?;
        let mut options = Vec::new();
        let mut words: Vec<&str> = Vec::new();
        let mut place = 0;
        while let Some(lexeme) = lexemes.get(place) {
            if lexeme.is_sign(b'=') {
                options.push((words.join(" "), lexemes.get(place + 1)?.text.to_owned()));
                words.clear();
                place += 1;
            } else if lexeme.kind == LexemeKind::Word {
                words.push(lexeme.text);
            } else {
                return None;
            }
            place += 1;
        }
        words.is_empty().then_some(options)
    };
    let (old, new) = (read(before).ok_or_else(odd)?, read(after).ok_or_else(odd)?);
    let mut actions = Vec::new();
    for (name, _) in old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name)) {
        let nothing = match name.as_str() {
            // MySQL does not say the one that a character set has by itself.
            "COLLATE" => continue,
            "COMMENT" => "''",
            "ROW_FORMAT" | "PACK_KEYS" | "STATS_PERSISTENT" | "STATS_AUTO_RECALC" | "STATS_SAMPLE_PAGES" => {
                "DEFAULT"
            }
            "KEY_BLOCK_SIZE" | "MAX_ROWS" | "MIN_ROWS" | "AVG_ROW_LENGTH" | "CHECKSUM"
            | "DELAY_KEY_WRITE" => "0",
            _ => return Err(odd()),
        };
        actions.push(format!("{name}={nothing}"));
    }
    // A character set without its collation would take the columns' own along.
    let set: Vec<&(String, String)> = new.iter().filter(|option| !old.contains(option)).collect();
    let names = |option: &(String, String)| option.0.contains("CHARSET") || option.0.contains("COLLATE");
    let is_gone = old.iter().any(|option| names(option) && !new.contains(option));
    if is_gone || set.iter().any(|option| names(option)) {
        let both: Vec<String> = new
            .iter()
            .filter(|option| names(option))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        actions.push(both.join(" "));
    }
    actions.extend(set.iter().filter(|option| !names(option)).map(|(name, value)| format!("{name}={value}")));
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_changed_one_by_one() {
        let changed = options(
            "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='a'",
            "ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_bin",
        );
        assert_eq!(changed.unwrap(), ["COMMENT=''", "DEFAULT CHARSET=latin1 COLLATE=latin1_bin"]);
        let plain = options("DEFAULT CHARSET=latin1 COLLATE=latin1_bin", "DEFAULT CHARSET=latin1");
        assert_eq!(plain.unwrap(), ["DEFAULT CHARSET=latin1"]);
        assert!(options("ENGINE=InnoDB", "ENGINE=InnoDB PARTITION BY HASH (a)").is_err());
    }

    #[test]
    fn partitions_stand_behind_the_options() {
        let parted = "/*!50100 PARTITION BY HASH (`a`)\nPARTITIONS 4 */";
        assert_eq!(
            tail(&format!("ENGINE=InnoDB COMMENT='PARTITION BY'\n{parted}")),
            ("ENGINE=InnoDB COMMENT='PARTITION BY'", parted)
        );
        assert_eq!(tail("ENGINE=InnoDB\n PARTITION BY KEY (a)"), ("ENGINE=InnoDB", "PARTITION BY KEY (a)"));
        assert_eq!(tail("ENGINE=InnoDB"), ("ENGINE=InnoDB", ""));
    }
}
