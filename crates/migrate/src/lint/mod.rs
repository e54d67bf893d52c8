//! Dangerous statements: what loses data, what keeps others waiting, what a running application trips over.
//!
//! One file per engine, and one for what holds on all of them. For PostgreSQL the rules are squawk's
//! (<https://squawkhq.com/docs/rules>); the same names are used elsewhere for what is the same, so that one waiver is
//! enough where a file runs on several engines.

mod always;
mod look;
pub(crate) mod mysql;
mod own;
pub(crate) mod postgres;
mod rows;
pub(crate) mod sqlite;

use std::collections::{BTreeMap, BTreeSet};

use database::Engine;
use database::script::{self, Hidden, Lexeme, Statement};

use crate::engine;
use crate::files::{Finding, Migration, Rule};

/// The rules of one engine.
pub(crate) struct Linter {
    pub(crate) names: Vec<&'static str>,
    pub(crate) judge: fn(&File<'_>, Option<&str>) -> Vec<Hit>,
}

/// What a rule found in a file.
pub(crate) struct Hit {
    rule: &'static str,
    /// The place in the text, in bytes.
    at: usize,
    /// What is dangerous about it.
    what: String,
    /// The safer form.
    safer: String,
}

impl Hit {
    fn new(
        rule: &'static str,
        statement: &Statement<'_>,
        what: impl Into<String>,
        safer: impl Into<String>,
    ) -> Self {
        Self { rule, at: statement.offset, what: what.into(), safer: safer.into() }
    }
}

/// A statement with its tokens.
struct Looked<'a> {
    statement: Statement<'a>,
    lexemes: Vec<Lexeme<'a>>,
    /// When it is run: the place of the file's statement that runs it, and its own.
    turn: Turn,
}

type Turn = (usize, usize);

impl<'a> Looked<'a> {
    fn new(engine: Engine, statement: Statement<'a>, runs: usize) -> Option<Self> {
        let lexemes = script::lexemes(engine, statement.text).ok()?;
        let turn = (runs, statement.offset);
        Some(Self { statement, lexemes, turn })
    }
}

/// Everything of one file that a rule may look at.
pub(crate) struct File<'a> {
    text: &'a str,
    /// Whether its statements share a transaction.
    transaction: bool,
    statements: Vec<Looked<'a>>,
    /// The statements that these hide.
    hidden: Vec<Looked<'a>>,
    /// The tables that it makes itself, folded, each with when.
    made: BTreeMap<String, Turn>,
}

/// The rules of an engine, by name.
pub fn rules(engine: Engine) -> Vec<&'static str> {
    engine::linter(engine)
        .names
        .into_iter()
        .chain(rows::NAMES.iter().copied())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// What is dangerous in one migration, in the order of its lines, without what its waivers pass over; and what of it, or of
/// its rollback, no run could send, since it does not end.
///
/// `version`: the server's, where it is known.
pub fn lint(engine: Engine, version: Option<&str>, migration: &Migration) -> Vec<Finding> {
    let directives = &migration.directives;
    let body = migration.body();
    let masked = masked(body);
    let mut findings = unfinished(engine, migration);
    let Ok(statements) = script::split(engine, &masked) else { return findings };
    let hidden = script::hidden(engine, &statements);
    let Some(file) = File::read(engine, &masked, &statements, &hidden, !directives.no_transaction) else {
        return findings;
    };
    let mut hits = rows::judge(&file);
    hits.extend((engine::linter(engine).judge)(&file, version));
    hits.sort_by_key(|hit| hit.at);
    findings.extend(unknown_waivers(migration));
    for hit in hits {
        let line = body[..hit.at.min(body.len())].matches('\n').count() + 1;
        let begins = file.statements.iter().rev().find(|looked| looked.statement.offset <= hit.at);
        let begins = begins.map_or(line, |looked| looked.statement.line);
        let ends_before =
            file.statements.iter().map(|looked| looked.statement.line).filter(|other| *other < begins).max();
        let waived = directives.allows.iter().any(|allow| {
            let here = allow.line < begins && ends_before.is_none_or(|before| allow.line > before);
            allow.rule == hit.rule && (allow.whole_file || here)
        });
        if !waived {
            findings.push(Finding {
                rule: Rule::Statement(hit.rule),
                message: format!("{}, line {line}: {}", migration.source.path.display(), hit.what),
                hint: format!(
                    "{}; if it is meant so: -- dbm: allow {} REASON",
                    hit.safer.trim_end_matches('.'),
                    hit.rule
                ),
                path: migration.source.path.clone(),
                line: Some(line),
            });
        }
    }
    findings
}

/// A string, comment or the like that does not end: in the statements, in the checks, in the rollback.
fn unfinished(engine: Engine, migration: &Migration) -> Vec<Finding> {
    let source = &migration.source;
    let body = migration.body();
    // Blank lines before the checks keep each of theirs where it is.
    let checks = "\n".repeat(body.matches('\n').count()) + &source.text[body.len()..];
    let mut texts = vec![(source, body), (source, checks.as_str())];
    // One that cannot be read is said to be so by whoever read the folder.
    let rollback = migration.rollback.as_ref().and_then(|rollback| rollback.source().ok());
    texts.extend(rollback.iter().map(|rollback| (&**rollback, rollback.text.as_str())));
    let unfinished = texts.into_iter().filter_map(|(source, text)| {
        let masked = masked(text);
        let error = script::split(engine, &masked).err()?;
        let line = error.to_string().strip_prefix("line ").and_then(|rest| rest.split(':').next()?.parse().ok());
        let cut = migration.directives.verify_line.filter(|_| source.path == migration.source.path);
        let hint = match cut.filter(|_| script::split(engine, &crate::lint::masked(&source.text)).is_ok()) {
            Some(line) => format!(
                "line {line} says `-- dbm: verify` in the middle of it: put a blank between `-` and `-` there, or end it before"
            ),
            None => error.hint().unwrap_or_default().to_owned(),
        };
        let message = format!("{}, {error}", source.path.display());
        Some(Finding { rule: Rule::Unfinished, path: source.path.clone(), line, message, hint })
    });
    let mut found: Vec<Finding> = unfinished.collect();
    // The rest of a file that was cut in two is no finding of its own.
    found.dedup_by(|next, first| next.path == first.path);
    found
}

/// A waiver with a name that no engine's rule has would wait for ever, and the finding stay.
fn unknown_waivers(migration: &Migration) -> Vec<Finding> {
    let known: BTreeSet<&str> =
        [Engine::Postgres, Engine::Mysql, Engine::Sqlite].into_iter().flat_map(rules).collect();
    let unknown = migration.directives.allows.iter().filter(|allow| !known.contains(allow.rule.as_str()));
    unknown
        .map(|allow| Finding {
            rule: Rule::Waiver,
            path: migration.source.path.clone(),
            line: Some(allow.line),
            message: format!(
                "{}, line {}: there is no rule `{}`",
                migration.source.path.display(),
                allow.line,
                allow.rule
            ),
            hint: format!("the rules are: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
        })
        .collect()
}

/// The text with a word of the same length in place of each `${name}`, whose value nobody knows here.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').map(|length| start + length + 1);
        let name = end.map(|end| &rest[start + 2..end - 1]);
        let plain = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
        };
        let (Some(end), Some(name)) = (end, name.filter(|name| plain(name))) else {
            masked.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        };
        masked.push_str(&rest[..start]);
        masked.push_str("p_");
        masked.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
        masked.push('_');
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

impl<'a> File<'a> {
    fn read(
        engine: Engine,
        text: &'a str,
        statements: &[Statement<'a>],
        hidden: &'a [Hidden<'_>],
        transaction: bool,
    ) -> Option<Self> {
        let outer: Option<Vec<_>> =
            statements.iter().map(|one| Looked::new(engine, one.clone(), one.offset)).collect();
        let inner = hidden.iter().filter_map(|hidden| {
            let runs = &statements[hidden.within];
            let statement =
                Statement { text: &hidden.text, line: runs.line, offset: hidden.offset, copy_rows: None };
            Looked::new(engine, statement, runs.offset)
        });
        let mut file =
            Self { text, transaction, statements: outer?, hidden: inner.collect(), made: BTreeMap::new() };
        let mut first = BTreeMap::new();
        for looked in file.all() {
            let Some(table) = look::new_table(&looked.lexemes) else { continue };
            let known = first.entry(table).or_insert(looked.turn);
            *known = looked.turn.min(*known);
        }
        file.made = first;
        Some(file)
    }

    /// Its statements, and those that they hide.
    fn all(&self) -> impl Iterator<Item = &Looked<'a>> {
        self.statements.iter().chain(&self.hidden)
    }

    /// Whether the file has made a table before this statement: nobody uses it yet.
    fn is_new(&self, table: &str, looked: &Looked<'_>) -> bool {
        self.made.get(table).is_some_and(|made| *made < looked.turn)
    }
}

#[cfg(test)]
mod tests;
