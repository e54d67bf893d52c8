use std::path::PathBuf;

use backup::{Error, ErrorKind, Result};
use database::Engine;
use database::script::{self, Nature, Pragma, Statement, TransactionControl};

use super::select::Chosen;
use super::{Action, Item, Plan, Selection, ServerWide, WayBack, group};
use crate::engine;
use crate::placeholders::{Configured, Filled, Filler, Variables};

impl Plan {
    /// Puts what was selected into groups: fills in placeholders, cuts the texts into statements, looks at each.
    ///
    /// # Errors
    /// A placeholder without a value, a text that cannot be cut, a statement that touches what is dbm's.
    pub fn new(
        engine: Engine,
        selection: Selection,
        configured: &Configured,
        variables: &dyn Variables,
    ) -> Result<Self> {
        let mut filler = Filler::new(engine, configured, variables);
        let mut items = Vec::new();
        let mut server_wide = Vec::new();
        for chosen in selection.chosen {
            let item = Item::new(engine, chosen, &mut filler, &mut server_wide)?;
            items.push(item);
        }
        let groups = group::cut(items);
        let way_back = match groups.as_slice() {
            [] => WayBack::None,
            [only] if only.transaction => WayBack::Rollback,
            _ => WayBack::Restore,
        };
        Ok(Self {
            direction: selection.direction,
            groups,
            way_back,
            server_wide,
            warnings: selection.warnings,
            secrets: filler.secrets().to_vec(),
        })
    }
}

impl Item {
    pub(super) fn new(
        engine: Engine,
        chosen: Chosen,
        filler: &mut Filler<'_>,
        server_wide: &mut Vec<ServerWide>,
    ) -> Result<Self> {
        let mut item = Self {
            repeat: chosen.repeat,
            number: chosen.number,
            name: chosen.name,
            module: chosen.module,
            path: PathBuf::new(),
            action: Action::Forget,
            statements: 0,
            checks: 0,
            unless: chosen.directives.unless,
            lock_timeout: chosen.directives.lock_timeout,
            alone: None,
            source: String::new(),
            body: Filled::default(),
            verify: Filled::default(),
            before: 0,
            after: 0,
            skipped: Vec::new(),
            own_transaction: false,
            enum_values: Vec::new(),
            checksum: chosen.checksum,
            rollback: chosen.rollback,
        };
        // Its row in the history is all that goes, and that goes in a transaction on every engine.
        let Some(source) = chosen.source else { return Ok(item) };
        item.action = Action::Run;
        item.alone = engine::no_transactions(engine).map(str::to_owned);
        item.path = source.path;
        let (body, verify) = cut_verify(&source.text, chosen.directives.verify_line);
        let body = filler.fill(body, &item.path)?;
        let verify = filler.fill(&verify, &item.path)?;
        item.source = source.text;
        let statements = item.split(engine, &body)?;
        item.look(engine, &statements, &body, server_wide)?;
        if chosen.directives.no_transaction {
            item.run_alone("its directive `no-transaction`");
        }
        item.statements = statements.len() - item.skipped.len();
        let checks = item.split(engine, &verify)?;
        item.checks = checks.len();
        if let (Some(line), 0) = (chosen.directives.verify_line, item.checks) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{}, line {line}: no check follows `-- dbm: verify`", item.path.display()),
            )
            .with_hint("write the queries whose every value is to be true, or remove the line"));
        }
        item.look_at_checks(engine, &checks, &verify, server_wide)?;
        (item.body, item.verify) = (body, verify);
        Ok(item)
    }

    /// Whether it can share a transaction, and how.
    fn look(
        &mut self,
        engine: Engine,
        statements: &[Statement<'_>],
        filled: &Filled,
        server_wide: &mut Vec<ServerWide>,
    ) -> Result<()> {
        let natures = self.natures(engine, statements, filled, server_wide)?;
        let is_foreign_keys = |nature: &&Nature| nature.pragma == Some(Pragma::ForeignKeys);
        self.before = natures.iter().take_while(is_foreign_keys).count();
        self.after = natures[self.before..].iter().rev().take_while(is_foreign_keys).count();
        let inside = self.before..statements.len() - self.after;
        let control =
            |place: usize| natures[place].transaction.filter(|what| *what != TransactionControl::Savepoint);
        let controls: Vec<usize> = inside.clone().filter(|place| control(*place).is_some()).collect();
        let wrapped = match controls.as_slice() {
            _ if engine::no_transactions(engine).is_some() => false,
            [first, last] => {
                *first == inside.start
                    && *last + 1 == inside.end
                    && control(*first) == Some(TransactionControl::Begin)
                    && control(*last) == Some(TransactionControl::Commit)
                    && is_plain(statements[*first].text)
                    && is_plain(statements[*last].text)
            }
            _ => false,
        };
        if wrapped {
            self.skipped = controls;
        } else if !controls.is_empty() {
            self.own_transaction = true;
            self.ends_what_it_begins(statements, &natures, filled)?;
            self.run_alone("its own transaction control");
        }
        for place in inside {
            let nature = &natures[place];
            if let Some(what) = &nature.refuses_transaction {
                self.run_alone(&format!("{what} refuses a transaction"));
            }
            match nature.pragma {
                // Inside the file's own transaction it is ignored by SQLite itself.
                Some(Pragma::ForeignKeys) if !wrapped => {
                    self.run_alone("the pragma foreign_keys in its middle")
                }
                Some(Pragma::JournalMode) => self.run_alone("the pragma journal_mode"),
                Some(Pragma::Other) => self.run_alone("a pragma that does not work in a transaction"),
                _ => {}
            }
            let Some(added) = &nature.adds_enum_value else { continue };
            if statements[place + 1..].iter().any(|later| added.is_used_by(later)) {
                self.run_alone(&format!("it uses the enum value '{}', which it adds itself", added.value));
            }
            self.enum_values.push(added.clone());
        }
        Ok(())
    }

    fn run_alone(&mut self, because: &str) {
        self.alone.get_or_insert_with(|| because.to_owned());
        (self.before, self.after) = (0, 0);
        self.skipped.clear();
    }

    /// A transaction left open would be rolled back by the end of the session, in silence.
    fn ends_what_it_begins(
        &self,
        statements: &[Statement<'_>],
        natures: &[Nature],
        filled: &Filled,
    ) -> Result<()> {
        let mut begun = None;
        for (statement, nature) in statements.iter().zip(natures) {
            match nature.transaction {
                Some(TransactionControl::Begin) => begun = Some(statement),
                Some(TransactionControl::Commit | TransactionControl::Rollback) => begun = None,
                _ => {}
            }
        }
        match begun {
            None => Ok(()),
            Some(statement) => Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{}: the transaction that begins here is never committed",
                    self.at(filled, statement)
                ),
            )
            .with_hint(
                "end it with `COMMIT;`, or leave out the `BEGIN;`: dbm runs the file in a transaction anyway",
            )),
        }
    }

    fn look_at_checks(
        &self,
        engine: Engine,
        checks: &[Statement<'_>],
        filled: &Filled,
        server_wide: &mut Vec<ServerWide>,
    ) -> Result<()> {
        let natures = self.natures(engine, checks, filled, server_wide)?;
        for (check, nature) in checks.iter().zip(natures) {
            if nature.transaction.is_some() || nature.refuses_transaction.is_some() || nature.pragma.is_some()
            {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!(
                        "{}: a check cannot run outside the transaction, or end it",
                        self.at(filled, check)
                    ),
                )
                .with_hint("a check is a query, each value of which is true"));
            }
        }
        Ok(())
    }

    fn natures(
        &self,
        engine: Engine,
        statements: &[Statement<'_>],
        filled: &Filled,
        server_wide: &mut Vec<ServerWide>,
    ) -> Result<Vec<Nature>> {
        let natures: Result<Vec<_>> =
            statements.iter().map(|statement| Ok(script::classify(engine, statement)?)).collect();
        let mut natures = natures?;
        for (statement, nature) in statements.iter().zip(&natures) {
            self.allow(statement, nature, filled, server_wide)?;
        }
        for hidden in script::hidden(engine, statements) {
            let runs = &statements[hidden.within];
            let statement = Statement { text: &hidden.text, copy_rows: None, ..*runs };
            // What is not all to be seen need not be a statement.
            let Ok(nature) = script::classify(engine, &statement) else { continue };
            self.allow(runs, &nature, filled, server_wide)?;
            let ends = nature.transaction.map(|_| statement.text.to_owned());
            let refuses = nature.refuses_transaction.or(ends);
            let outer = &mut natures[hidden.within].refuses_transaction;
            *outer = outer.take().or(refuses);
        }
        Ok(natures)
    }

    /// Whether a statement may be run at all, and what of it no archive puts back.
    fn allow(
        &self,
        statement: &Statement<'_>,
        nature: &Nature,
        filled: &Filled,
        server_wide: &mut Vec<ServerWide>,
    ) -> Result<()> {
        if let Some(name) = &nature.touches_dbm {
            let message =
                format!("{}: the statement touches {name}, which is dbm's own", self.at(filled, statement));
            return Err(Error::new(ErrorKind::Refused, message)
                .with_hint("leave what dbm keeps for itself alone; `dbm history` shows the history"));
        }
        let Some(what) = &nature.beyond_database else { return Ok(()) };
        let file = self.path.display().to_string();
        let found = ServerWide { file, line: filled.line_in_file(statement.line), what: what.clone() };
        if !server_wide.contains(&found) {
            server_wide.push(found);
        }
        Ok(())
    }

    fn split<'a>(&self, engine: Engine, filled: &'a Filled) -> Result<Vec<Statement<'a>>> {
        script::split(engine, &filled.text).map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            let error = Error::new(ErrorKind::Refused, format!("{}: {error}", self.path.display()));
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    }

    fn at(&self, filled: &Filled, statement: &Statement<'_>) -> String {
        format!("{}, line {}", self.path.display(), filled.line_in_file(statement.line))
    }
}

/// The text before `-- dbm: verify`, and the text from there on, with as many empty lines before it as
/// the file has lines there, so that lines are counted right.
fn cut_verify(text: &str, line: Option<usize>) -> (&str, String) {
    let Some(line) = line else { return (text, String::new()) };
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let (body, verify) = text.split_at(start);
    (body, "\n".repeat(line - 1) + verify)
}

/// Whether a `BEGIN` or `COMMIT` says nothing more, such as an isolation level.
fn is_plain(text: &str) -> bool {
    let mut words = text.split_whitespace().map(str::to_ascii_uppercase);
    let first = words.next().unwrap_or_default();
    let mut rest = words.filter(|word| !matches!(word.as_str(), "TRANSACTION" | "WORK"));
    match (first.as_str(), rest.next().as_deref(), rest.next()) {
        ("BEGIN" | "START" | "COMMIT" | "END", None, _) => true,
        // SQLite's: when the lock is taken.
        ("BEGIN", Some("DEFERRED" | "IMMEDIATE" | "EXCLUSIVE"), None) => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
