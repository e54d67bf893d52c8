use database::{Column, Engine, Kind, Object, ObjectId, script};

use super::super::parts::{Parts, columns};
use super::super::step::{Between, InPlace, Statement, Unwritable};
use super::cast::Cast;
use super::types::checks_in_the_way;
use super::{computed, ident, not_valid, overload, qualified};

/// The statements that make a table another one.
pub(super) fn change(old: &Object, new: &Object, between: Between<'_>) -> Result<InPlace, Unwritable> {
    let parts = |object: &Object| {
        Parts::of(Engine::Postgres, &object.definition)
            .ok_or_else(|| Unwritable::new("it inherits in a way that only its own statements can give"))
    };
    let is_partition =
        |schema: &database::Schema| schema.get(&ObjectId { kind: Kind::Attach, ..old.id.clone() }).is_some();
    if is_partition(between.old) && is_partition(between.new) {
        // What its parent is given, it has too; what is not, the proof finds.
        return Ok(InPlace::default());
    }
    let before = Side { parts: parts(old)?, columns: columns(old) };
    let after = Side { parts: parts(new)?, columns: columns(new) };
    let mut change = Changing {
        table: qualified(&old.id),
        again: computed::made_again(&before, &after),
        before,
        after,
        apart: between.style.apart && old.table.as_deref().is_some_and(|table| table.holds_rows),
        ends: Vec::new(),
        gone: checks_in_the_way(old, between)
            .into_iter()
            .chain(overload::checks(old, between))
            .map(|(name, _)| name)
            .collect(),
        found: InPlace::default(),
    };
    change.storage()?;
    change.constraints_that_go();
    change.columns(old)?;
    change.constraints_that_come();
    let ends = std::mem::take(&mut change.ends);
    change.found.statements.extend(ends);
    Ok(change.found)
}

/// The table as it is before, or after.
pub(super) struct Side<'o> {
    pub(super) parts: Parts,
    pub(super) columns: &'o [Column],
}

impl Side<'_> {
    pub(super) fn column(&self, name: &str) -> Option<Clause<'_>> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        Some(Clause::of(column, self.parts.column(name)?))
    }

    /// Its own columns, those that are computed `first` or last; those that it has of another table come and go with that.
    fn names(&self, first: bool) -> Vec<String> {
        let own = self.columns.iter().filter(|column| self.parts.column(&column.name).is_some());
        let mut own: Vec<&Column> = own.collect();
        own.sort_by_key(|column| column.generated.is_some() != first);
        own.into_iter().map(|column| column.name.clone()).collect()
    }

    /// The statements about one column that follow the table's own: `SET STATISTICS 3`.
    fn details(&self, name: &str) -> Vec<String> {
        let marker = format!(" ALTER COLUMN {} ", ident(name));
        let after = self.parts.after.iter();
        after.filter_map(|text| text.split_once(&marker).map(|(_, how)| how.to_owned())).collect()
    }
}

/// A column's clause in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clause<'o> {
    pub(super) column: &'o Column,
    whole: &'o str,
    /// After the type: collation, and how it is computed.
    pub(super) kind: &'o str,
    /// How it refuses NULL: `NOT NULL`, with the constraint's name where there is one.
    refusal: &'o str,
}

impl<'o> Clause<'o> {
    fn of(column: &'o Column, whole: &'o str) -> Self {
        let rest = whole.strip_prefix(column.data_type.as_str()).unwrap_or(whole);
        let default = column.default.as_ref().map(|text| format!("DEFAULT {text}"));
        let (kind, refusal) = match default.as_ref().and_then(|default| rest.split_once(default.as_str())) {
            Some((kind, refusal)) => (kind, refusal),
            None => rest.split_at(refusal_at(rest)),
        };
        Self { column, whole, kind: kind.trim(), refusal: refusal.trim() }
    }

    fn refusal_name(&self) -> Option<String> {
        let lexemes = script::lexemes(Engine::Postgres, self.refusal).ok()?;
        lexemes.first().filter(|first| first.is("CONSTRAINT"))?;
        lexemes.get(1)?.identifier()
    }
}

/// Where, outside of brackets, what follows says how NULL is refused.
fn refusal_at(rest: &str) -> usize {
    let lexemes = script::lexemes(Engine::Postgres, rest).unwrap_or_default();
    let mut depth = 0_usize;
    for (place, lexeme) in lexemes.iter().enumerate() {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        }
        let begins = lexeme.is("CONSTRAINT") || script::begins(&lexemes[place..], &["NOT", "NULL"]);
        if depth == 0 && begins {
            return lexeme.text.as_ptr() as usize - rest.as_ptr() as usize;
        }
    }
    rest.len()
}

struct Changing<'o> {
    table: String,
    before: Side<'o>,
    after: Side<'o>,
    /// Columns that are dropped and added, since nothing else changes them.
    again: Vec<String>,
    apart: bool,
    /// What comes last.
    ends: Vec<Statement>,
    /// Checks that went before, with the type that they compare with or the function that they call.
    gone: Vec<String>,
    found: InPlace,
}

impl Changing<'_> {
    fn alter(&mut self, how: &str) -> &mut Statement {
        self.found.statements.push(Statement::new(format!("ALTER TABLE {} {how};\n", self.table)));
        let last = self.found.statements.len() - 1;
        &mut self.found.statements[last]
    }

    /// Whether it is logged, and its options.
    fn storage(&mut self) -> Result<(), Unwritable> {
        let logged = |head: &str| !head.starts_with("CREATE UNLOGGED");
        if logged(&self.before.parts.head) != logged(&self.after.parts.head) {
            let how = if logged(&self.after.parts.head) { "SET LOGGED" } else { "SET UNLOGGED" };
            self.alter(how);
        }
        let (before, after) = (self.before.parts.tail.clone(), self.after.parts.tail.clone());
        if before == after {
            return Ok(());
        }
        let options = |tail: &str| match tail {
            "" => Some(Vec::new()),
            _ => {
                let list = tail.strip_prefix("WITH (")?.strip_suffix(')')?;
                (!list.contains('(')).then(|| list.split(", ").map(str::to_owned).collect())
            }
        };
        let (Some(old), Some(new)) = (options(&before), options(&after)) else {
            return Err(Unwritable::new("how it is partitioned, stored or typed cannot be changed in place"));
        };
        let name = |option: &str| option.split_once('=').map_or(option, |(name, _)| name).to_owned();
        let gone: Vec<String> = old
            .iter()
            .map(|option| name(option))
            .filter(|own| !new.iter().any(|other| name(other) == *own))
            .collect();
        let set: Vec<String> = new.into_iter().filter(|option| !old.contains(option)).collect();
        if !gone.is_empty() {
            self.alter(&format!("RESET ({})", gone.join(", ")));
        }
        if !set.is_empty() {
            self.alter(&format!("SET ({})", set.join(", ")));
        }
        Ok(())
    }

    fn constraints_that_go(&mut self) {
        let others = self.before.parts.others.clone();
        for (name, clause) in others {
            let goes = self.after.parts.other(&name) != Some(&clause) || self.names_one_again(&clause);
            if goes && !self.gone.contains(&name) {
                self.alter(&format!("DROP CONSTRAINT {}", ident(&name)));
            }
        }
    }

    fn constraints_that_come(&mut self) {
        let others = self.after.parts.others.clone();
        for (name, clause) in others {
            let went = self.names_one_again(&clause) && !self.gone.contains(&name);
            if self.before.parts.other(&name) == Some(&clause) && !went {
                continue;
            }
            let whole = format!("ALTER TABLE {}\n    ADD {clause};\n", self.table);
            let careful = self.apart.then(|| not_valid(&whole, &self.table, &name)).flatten();
            self.found.statements.extend(careful.unwrap_or_else(|| vec![Statement::new(whole)]));
        }
    }

    fn columns(&mut self, old: &Object) -> Result<(), Unwritable> {
        // What is computed of others goes before they do, and comes after they have.
        for name in self.before.names(true) {
            if self.is_freed(&name) {
                // Its values stay, and are its own from now on.
                self.alter(&format!("ALTER COLUMN {} DROP EXPRESSION", ident(&name)));
            } else if self.again.contains(&name) {
                self.drop_again(old, &name);
            } else if self.after.column(&name).is_none() {
                self.drop_column(old, &name);
            }
        }
        for name in self.after.names(false) {
            self.column(old, &name)?;
        }
        // What is neither of a column nor the same.
        let of_table = |parts: &Parts| -> Vec<String> {
            parts.after.iter().filter(|text| !text.contains(" ALTER COLUMN ")).cloned().collect()
        };
        let (before, after) = (of_table(&self.before.parts), of_table(&self.after.parts));
        let identity = |text: &&String| text.contains(" REPLICA IDENTITY ");
        if before.iter().any(|text| identity(&text)) && !after.iter().any(|text| identity(&text)) {
            self.alter("REPLICA IDENTITY DEFAULT");
        }
        let odd = before
            .iter()
            .chain(&after)
            .any(|text| !identity(&text) && before.contains(text) != after.contains(text));
        if odd {
            return Err(Unwritable::new(
                "what it inherits from, or a detail of it, cannot be changed in place",
            ));
        }
        let new = after.iter().filter(|text| !before.contains(text));
        self.found.statements.extend(new.map(|text| Statement::new(format!("{text};\n"))));
        Ok(())
    }

    fn drop_column(&mut self, old: &Object, name: &str) {
        let is_computed =
            self.before.columns.iter().any(|column| column.name == name && column.generated.is_some());
        let loses = format!("column {name} of {}", old.id);
        let statement = self.alter(&format!("DROP COLUMN {}", ident(name)));
        if !is_computed {
            statement.loses = Some(loses);
        }
        self.found.disturbs.push(old.id.clone());
    }

    /// Whether it was computed and stored, and is no more.
    fn is_freed(&self, name: &str) -> bool {
        let (before, after) = (self.before.column(name), self.after.column(name));
        before.zip(after).is_some_and(|(before, after)| computed::is_freed(&before, &after))
    }

    /// Whether a constraint goes with a column that is dropped and added.
    fn names_one_again(&self, clause: &str) -> bool {
        computed::names(clause).iter().any(|name| self.again.contains(name))
    }

    /// What is computed is computed again; one that is only computed when it is read has nothing that could stay.
    fn drop_again(&mut self, old: &Object, name: &str) {
        self.drop_column(old, name);
        let is_computed = self.after.column(name).is_some_and(|after| after.column.generated.is_some());
        if let Some(statement) = self.found.statements.last_mut().filter(|_| !is_computed) {
            statement.loses = Some(format!("what column {name} of {} is computed to be", old.id));
        }
    }

    fn add_column(&mut self, name: &str) {
        let Some(after) = self.after.column(name) else { return };
        let how = format!("ADD COLUMN {} {}", ident(name), after.whole);
        let details = self.after.details(name);
        let has_value = after.column.default.is_some()
            || after.column.generated.is_some()
            || details.iter().any(|how| how.starts_with("ADD GENERATED"));
        let refuses = after.column.not_null && !has_value;
        let identity = details.iter().position(|how| how.starts_with("ADD GENERATED"));
        match identity {
            // In the clause itself, since the rows that are there need their values at once.
            Some(place) => {
                let clause = details[place].replacen("ADD ", "", 1);
                self.alter(&format!("{how} {clause}"));
            }
            None => {
                let statement = self.alter(&how);
                if refuses {
                    statement.note = Some(
                        "fails where the table has rows: give it a default, or fill it before it refuses NULL".to_owned(),
                    );
                }
            }
        }
        for (_, detail) in details.into_iter().enumerate().filter(|(place, _)| Some(*place) != identity) {
            self.alter(&format!("ALTER COLUMN {} {detail}", ident(name)));
        }
    }

    fn column(&mut self, old: &Object, name: &str) -> Result<(), Unwritable> {
        if self.again.iter().any(|own| own == name) {
            self.add_column(name);
            self.found.made_again.push(name.to_owned());
            return Ok(());
        }
        let Some(before) = self.before.column(name) else {
            self.add_column(name);
            return Ok(());
        };
        let Some(after) = self.after.column(name) else { return Ok(()) };
        let (was, is) = (before.column.clone(), after.column.clone());
        let mut kinds = (before.kind.to_owned(), after.kind.to_owned());
        let (refused, refuses) = (before.refusal.to_owned(), after.refusal.to_owned());
        let (old_name, new_name) = (before.refusal_name(), after.refusal_name());
        let own = format!("ALTER COLUMN {}", ident(name));
        let (mut details_before, details_after) = (self.before.details(name), self.after.details(name));

        let identity =
            |details: &[String]| details.iter().find(|how| how.starts_with("ADD GENERATED")).cloned();
        let (had_identity, has_identity) = (identity(&details_before), identity(&details_after));
        if let (Some(_), None) = (&had_identity, &has_identity) {
            let loses = format!("how far column {name} of {} has counted", old.id);
            self.alter(&format!("{own} DROP IDENTITY")).loses = Some(loses);
        }
        if self.is_freed(name) {
            kinds.0 = kinds.0.split("GENERATED ALWAYS AS").next().unwrap_or_default().trim().to_owned();
        }
        let changes_type = was.data_type != is.data_type || kinds.0 != kinds.1;
        if changes_type {
            if was.default.is_some() {
                self.alter(&format!("{own} DROP DEFAULT"));
            }
            // Without the clause it is that of the type.
            let collation = if kinds.1.is_empty() { String::new() } else { format!(" {}", kinds.1) };
            let cast = Cast::of(&was.data_type, &is.data_type);
            let using = if cast == Cast::Explicit {
                format!(" USING {}::text::{}", ident(name), is.data_type)
            } else {
                String::new()
            };
            let loses = format!(
                "what column {name} of {} holds, where {} cannot hold all of it",
                old.id, is.data_type
            );
            let statement = self.alter(&format!("{own} TYPE {}{collation}{using}", is.data_type));
            if cast != Cast::Safe {
                statement.loses = Some(loses);
            }
            self.found.disturbs.push(old.id.clone());
            if let Some(default) = &is.default {
                self.alter(&format!("{own} SET DEFAULT {default}"));
            }
        } else if was.default != is.default {
            match &is.default {
                Some(default) => self.alter(&format!("{own} SET DEFAULT {default}")),
                None => self.alter(&format!("{own} DROP DEFAULT")),
            };
        }
        if had_identity.is_none() && has_identity.is_some() && refused.is_empty() && new_name.is_none() {
            // It is not taken for a number by itself before it refuses NULL.
            self.alter(&format!("{own} SET NOT NULL"));
        } else if refused != refuses {
            self.refusal(name, (&refused, &refuses), (old_name, new_name));
        }
        match (&had_identity, &has_identity) {
            (Some(old), Some(new)) if old != new => self.identity(&own, old, new)?,
            (None, Some(new)) => {
                self.alter(&format!("{own} {new}"));
            }
            _ => {}
        }
        if changes_type {
            // Both are those of the new type since then.
            details_before
                .retain(|how| !how.starts_with("SET STORAGE") && !how.starts_with("SET COMPRESSION"));
        }
        for detail in &details_before {
            let word = |how: &str| how.split(' ').take(2).collect::<Vec<_>>().join(" ");
            if detail.starts_with("ADD GENERATED")
                || details_after.iter().any(|other| word(other) == word(detail))
            {
                continue;
            }
            match word(detail).as_str() {
                "SET STATISTICS" => self.alter(&format!("{own} SET STATISTICS -1")),
                "SET COMPRESSION" => self.alter(&format!("{own} SET COMPRESSION default")),
                // Only newer servers have a word for that of the type.
                "SET STORAGE" => {
                    let base = is.data_type.split('(').next().unwrap_or_default();
                    let main = ["numeric", "inet", "cidr"].contains(&base);
                    self.alter(&format!("{own} SET STORAGE {}", if main { "MAIN" } else { "EXTENDED" }))
                }
                _ => return Err(Unwritable::new(format!("column {name} is no more {detail}"))),
            };
        }
        for detail in details_after.iter().filter(|how| !how.starts_with("ADD GENERATED")) {
            if !details_before.contains(detail) {
                self.alter(&format!("{own} {detail}"));
            }
        }
        Ok(())
    }

    /// How NULL is refused. The check that is compared with the rows first spares the table's lock the reading of them.
    fn refusal(&mut self, name: &str, (was, is): (&str, &str), (old, new): (Option<String>, Option<String>)) {
        let own = ident(name);
        match (was.is_empty(), is.is_empty(), old, new) {
            (false, true, ..) => {
                self.alter(&format!("ALTER COLUMN {own} DROP NOT NULL"));
            }
            (false, false, Some(old), Some(new)) if old != new => {
                self.alter(&format!("RENAME CONSTRAINT {} TO {}", ident(&old), ident(&new)));
            }
            (true, false, _, Some(new)) => {
                // Not NOT VALID: with that, neither an identity nor a primary key nor a partition could come in this file.
                self.alter(&format!("ADD CONSTRAINT {} NOT NULL {own}", ident(&new)));
            }
            _ if self.apart => {
                let check = ident(&helpers::naming::cut_name(name, "_dbm_not_null", 63));
                self.alter(&format!("ADD CONSTRAINT {check} CHECK ({own} IS NOT NULL) NOT VALID"));
                for how in [
                    format!("VALIDATE CONSTRAINT {check}"),
                    format!("ALTER COLUMN {own} SET NOT NULL"),
                    format!("DROP CONSTRAINT {check}"),
                ] {
                    self.ends.push(Statement::new(format!("ALTER TABLE {} {how};\n", self.table)).apart());
                }
            }
            _ => {
                self.alter(&format!("ALTER COLUMN {own} SET NOT NULL"));
            }
        }
    }

    /// An identity's sequence goes on counting where it is.
    fn identity(&mut self, own: &str, old: &str, new: &str) -> Result<(), Unwritable> {
        let parts = |text: &str| {
            let (how, sequence) =
                text.strip_prefix("ADD GENERATED ")?.split_once(" AS IDENTITY (SEQUENCE NAME ")?;
            let (name, options) = sequence.strip_suffix(')')?.split_once(" START ")?;
            Some((how.to_owned(), name.to_owned(), options.to_owned()))
        };
        let odd = || Unwritable::new("its identity column is written in a way that dbm does not know");
        let (old_how, old_name, old_options) = parts(old).ok_or_else(odd)?;
        let (how, name, options) = parts(new).ok_or_else(odd)?;
        if old_how != how {
            self.alter(&format!("{own} SET GENERATED {how}"));
        }
        if old_name != name {
            let last = name.rsplit_once("\".").map_or(name.as_str(), |(_, last)| last).to_owned();
            self.found
                .statements
                .push(Statement::new(format!("ALTER SEQUENCE {old_name} RENAME TO {last};\n")));
        }
        if old_options != options {
            let cycle = if options.ends_with(" CYCLE") { "" } else { " NO CYCLE" };
            self.found
                .statements
                .push(Statement::new(format!("ALTER SEQUENCE {name} START {options}{cycle};\n")));
        }
        Ok(())
    }
}
