//! What is written down of each statement: which locks it was the first to take, and which of them it leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use database::Engine;
use database::script::{self, Lexeme, Statement, TransactionControl};

use super::metadata::{self, Held, Mode, Watched};
use super::relations::{Locked, Stored};
use super::{Lock, Rehearsed};
use crate::engine::Storages;
use crate::run::Seen;

/// Which modes keep readers or writers of a table waiting, the strongest last
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES>).
const BLOCKING: [&str; 4] = ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// The mode of whoever writes rows. It keeps nobody waiting, but the rows that were changed under it do until the
/// transaction ends: whoever would change them too
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS>).
const WRITING: &str = "RowExclusiveLock";

/// Of one run.
#[derive(Default)]
pub(super) struct Ledger {
    /// The relations that were there before the run, with their storage.
    pub(super) known: Option<BTreeMap<String, Stored>>,
    pub(super) statements: Vec<Rehearsed>,
    /// The locks that the open transaction holds, by relation, mode, and whether they block.
    held: BTreeMap<(String, String, bool), Holding>,
    pub(super) began: Option<Instant>,
    /// What the other session has seen of the statement that runs.
    pub(super) glimpsed: BTreeSet<Locked>,
    /// How many rows of each table were changed before the statement that runs, where the session itself is asked.
    pub(super) changed: Option<BTreeMap<String, u64>>,
    /// How the file's own transaction ends, where the server does not show that there is one.
    own: Option<Ends>,
    /// The tables that were there before the run, where the server shows no locks on their storage.
    pub(super) tables: Option<Storages>,
    /// What the other session has seen of the metadata locks of the statement that runs.
    pub(super) watched: Option<Watched>,
    /// The metadata locks that the statement before has left behind.
    pub(super) left: Held,
    /// The names of tables after the last statement.
    pub(super) names: Option<BTreeSet<String>>,
    /// Those of tables that the run has made, for which nobody waits.
    made: BTreeSet<String>,
}

/// Since when a lock is held, and which it is of which statement.
struct Holding {
    statement: usize,
    lock: usize,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Committed,
    /// `LOCK TABLES` outlasts a commit.
    Unlocked,
    /// Without autocommit, the next one begins where one ends.
    Never,
}

/// What was found after a statement.
pub(super) struct Found {
    /// Whether it is in a transaction now.
    pub(super) open: bool,
    pub(super) locks: Vec<Locked>,
    /// What is committed; nothing where the session itself was asked.
    pub(super) storages: BTreeMap<String, Stored>,
}

impl Ledger {
    /// What a server says of a statement that shows its locks.
    pub(super) fn seen(&mut self, engine: Engine, statement: &Statement<'_>, seen: Seen, found: Found) {
        let began = self.began.take().unwrap_or_else(Instant::now);
        let place = self.statements.len();
        let took = millis(seen.took);
        let written = seen.alone && seen.rows != Some(0) && changes_rows(engine, statement);
        let before = self.changed.as_ref();
        let known = self.known.get_or_insert_default();
        let keeps_waiting = |one: &Locked| {
            let changed = match before {
                Some(before) => one.changed > before.get(&one.oid).copied().unwrap_or(0),
                None => written && one.table,
            };
            known.contains_key(&one.oid)
                && (BLOCKING.contains(&one.mode.as_str()) || (one.mode == WRITING && changed))
        };
        // What was dropped has the name that it had; what came and went within the run has none, and bothers nobody.
        let name_of =
            |one: &Locked| one.name.clone().or_else(|| known.get(&one.oid).map(|(name, _)| name.clone()));
        let (mut locks, mut held) = (Vec::new(), Vec::new());
        for one in &found.locks {
            let Some(on) = name_of(one) else { continue };
            let blocks = keeps_waiting(one);
            let key = |blocks| (one.oid.clone(), one.mode.clone(), blocks);
            if self.held.contains_key(&key(blocks)) || self.held.contains_key(&key(true)) {
                continue;
            }
            held.push((key(blocks), Holding { statement: place, lock: locks.len(), since: began }));
            locks.push(Lock {
                on,
                mode: one.mode.clone(),
                blocks,
                held_ms: 0,
                table: one.table,
                named: true,
            });
        }
        let glimpsed = std::mem::take(&mut self.glimpsed);
        if seen.alone && !found.open {
            for one in &glimpsed {
                let (Some(on), blocks) = (name_of(one), keeps_waiting(one)) else { continue };
                let key = |blocks| (one.oid.clone(), one.mode.clone(), blocks);
                let was_held = self.held.contains_key(&key(true)) || self.held.contains_key(&key(false));
                let mode = one.mode.clone();
                let lock = Lock { on, mode, blocks, held_ms: took, table: one.table, named: true };
                // At most so long: it may have come late and gone early.
                if !was_held && !locks.contains(&lock) {
                    locks.push(lock);
                }
            }
        }
        let mut rewritten = Vec::new();
        let visible = found.locks.iter().filter(|one| one.name.is_some());
        let visible = visible.map(|one| (&one.oid, &one.storage));
        for (oid, storage) in visible.chain(found.storages.iter().map(|(oid, (_, storage))| (oid, storage))) {
            let Some((name, before)) = known.get_mut(oid) else { continue };
            if before.is_none() || before == storage {
                continue;
            }
            before.clone_from(storage);
            // What a commit makes visible was written by whoever let nobody in.
            let key = (oid.clone(), "AccessExclusiveLock".to_owned(), true);
            let by = self.held.get(&key).filter(|_| seen.alone);
            match by.and_then(|by| self.statements.get_mut(by.statement)) {
                Some(earlier) => earlier.rewritten.push(name.clone()),
                None => rewritten.push(name.clone()),
            }
        }
        // Savepoints, and transactions of the file's own, end within the run.
        let kept: BTreeSet<(&str, &str)> =
            found.locks.iter().map(|one| (one.oid.as_str(), one.mode.as_str())).collect();
        self.release(|(oid, mode, _)| !kept.contains(&(oid, mode)));
        self.held.extend(held);
        if let Some(changed) = &mut self.changed {
            changed.extend(found.locks.iter().map(|one| (one.oid.clone(), one.changed)));
        }
        self.push(seen, took, locks, rewritten);
    }

    /// The same where the server does not show any: what may be locked is locked.
    pub(super) fn unseen(
        &mut self,
        engine: Engine,
        statement: &Statement<'_>,
        seen: Seen,
        rewritten: Vec<String>,
    ) {
        let since = self.began.take().unwrap_or_else(Instant::now);
        let took = millis(seen.took);
        let (begins, ended) = boundaries(engine, statement);
        if self.own.is_none() && seen.alone {
            self.own = begins;
        }
        let unseen = Lock::unseen(0);
        let key = (unseen.on.clone(), unseen.mode.clone(), true);
        let mut locks = Vec::new();
        if seen.alone && self.own.is_none() {
            locks.push(Lock::unseen(took));
        } else if !self.held.contains_key(&key) {
            self.held.insert(key, Holding { statement: self.statements.len(), lock: 0, since });
            locks.push(unseen);
        }
        self.push(seen, took, locks, rewritten);
        if ended.is_some() && ended == self.own {
            self.own = None;
            self.release(|_| true);
        }
    }

    /// What was seen of a statement where the server lists metadata locks, and which it has left behind.
    pub(super) fn watched(
        &mut self,
        words: &[Lexeme<'_>],
        seen: Seen,
        rewritten: Vec<String>,
        over: Instant,
        left: Held,
    ) {
        let began = self.began.take().unwrap_or_else(Instant::now);
        let mut watched = self.watched.take().unwrap_or_else(|| Watched::new(began, Held::new()));
        watched.look(over, over, left.clone());
        let place = self.statements.len();
        let (mut locks, mut held) = (Vec::new(), Vec::new());
        for (table, modes) in watched.times(seen.took) {
            for (mode, time) in modes {
                let blocks = mode.blocks(words) && !self.made.contains(table);
                let counted = self.held.keys().any(|(on, earlier, blocked)| {
                    on == table && Mode::named(earlier) >= *mode && *blocked >= blocks
                });
                let stays = left.get(table).is_some_and(|left| left >= mode);
                // One that stays is a part of the strongest that does.
                if counted || stays && left.get(table) != Some(mode) {
                    continue;
                }
                if stays {
                    let key = (table.to_owned(), mode.name.clone(), blocks);
                    held.push((key, Holding { statement: place, lock: locks.len(), since: began }));
                }
                let held_ms = if stays { 0 } else { millis(time) };
                locks.push(Lock {
                    on: table.to_owned(),
                    mode: mode.name.clone(),
                    blocks,
                    held_ms,
                    table: true,
                    named: true,
                });
            }
        }
        let longest = locks.iter().filter(|lock| lock.blocks).map(|lock| lock.held_ms).max();
        let gap = millis(watched.gap(seen.took));
        // One that was gone again before anybody looked.
        if left.is_empty() && metadata::may_lock(words) && longest.is_none_or(|longest| gap > longest) {
            locks.push(Lock::unseen(gap));
        }
        self.release(|(table, mode, _)| left.get(table).is_none_or(|left| *left < Mode::named(mode)));
        self.held.extend(held);
        self.left = left;
        let took = millis(seen.took);
        self.push(seen, took, locks, rewritten);
    }

    /// Notes which tables the run has made. One that a RENAME has made was there under another name.
    pub(super) fn name(&mut self, words: &[Lexeme<'_>], names: BTreeSet<String>) {
        let before = self.names.replace(names).unwrap_or_default();
        let after = self.names.iter().flatten();
        let appeared: Vec<String> = after.filter(|name| !before.contains(*name)).cloned().collect();
        for name in appeared {
            if script::begins(words, &["CREATE"]) {
                self.made.insert(name);
            } else {
                self.made.remove(&name);
            }
        }
    }

    /// Which tables that were there before are stored elsewhere now, all of them.
    pub(super) fn rewritten(&mut self, now: &Storages) -> Vec<String> {
        let mut rewritten = Vec::new();
        for (name, before) in self.tables.iter_mut().flatten() {
            let Some(storages) = now.get(name) else { continue };
            if before.is_disjoint(storages) {
                rewritten.push(name.clone());
            }
            before.clone_from(storages);
        }
        rewritten
    }

    fn push(&mut self, seen: Seen, took: u64, locks: Vec<Lock>, rewritten: Vec<String>) {
        let Seen { migration, line, text, rows, .. } = seen;
        self.statements.push(Rehearsed { migration, line, text, duration_ms: took, rows, locks, rewritten });
    }

    /// Says of the locks that are gone how long they were held.
    pub(super) fn release(&mut self, gone: impl Fn(&(String, String, bool)) -> bool) {
        // One moment for all: of a table and its indexes none is held longer than the other.
        let now = Instant::now();
        let (released, held) = std::mem::take(&mut self.held).into_iter().partition(|(key, _)| gone(key));
        self.held = held;
        let released: BTreeMap<_, Holding> = released;
        for Holding { statement, lock, since } in released.into_values() {
            let lock = self.statements.get_mut(statement).and_then(|one| one.locks.get_mut(lock));
            if let Some(lock) = lock {
                lock.held_ms = millis(now.saturating_duration_since(since));
            }
        }
    }
}

/// Where a mode stands among those of its server.
pub(super) fn strength(mode: &str) -> Option<usize> {
    BLOCKING.iter().chain(&metadata::MODES).position(|other| *other == mode)
}

/// Whether a statement outside dbm's transaction changes or removes rows, by its words.
fn changes_rows(engine: Engine, statement: &Statement<'_>) -> bool {
    let hidden = script::hidden(engine, std::slice::from_ref(statement));
    let changes = |text: &str| {
        let words = script::lexemes(engine, text).unwrap_or_default();
        let changing = |word| script::holds(&words, &[word]);
        ["UPDATE", "DELETE", "MERGE"].iter().any(|word| script::begins(&words, &[word]))
            || (["WITH", "INSERT"].iter().any(|word| script::begins(&words, &[word]))
                && (changing("UPDATE") || changing("DELETE") || changing("MERGE")))
    };
    changes(statement.text) || hidden.iter().any(|hidden| changes(&hidden.text))
}

/// How the transaction ends that a statement begins, and which one it ends.
fn boundaries(engine: Engine, statement: &Statement<'_>) -> (Option<Ends>, Option<Ends>) {
    let control = script::classify(engine, statement).ok().and_then(|nature| nature.transaction);
    let words = script::lexemes(engine, statement.text).unwrap_or_default();
    match control {
        Some(TransactionControl::Begin) => (Some(Ends::Committed), None),
        Some(TransactionControl::Commit | TransactionControl::Rollback) => (None, Some(Ends::Committed)),
        Some(TransactionControl::Other) if switches_off_autocommit(&words) => (Some(Ends::Never), None),
        _ if script::begins(&words, &["LOCK"]) => (Some(Ends::Unlocked), None),
        _ if script::begins(&words, &["UNLOCK"]) => (None, Some(Ends::Unlocked)),
        _ => (None, None),
    }
}

/// `SET autocommit = 0`, and `XA`, whose end is a statement of its own kind.
fn switches_off_autocommit(words: &[Lexeme<'_>]) -> bool {
    let off = words.last().is_some_and(|last| last.text == "0" || last.is("OFF") || last.is("FALSE"));
    script::begins(words, &["XA"]) || script::begins(words, &["SET"]) && off
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
