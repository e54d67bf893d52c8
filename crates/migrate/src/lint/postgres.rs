//! Squawk's rules for PostgreSQL: those that it has by itself, without those of taste (which type or which form of a
//! statement is preferred), and without those that dbm makes needless: its runs have timeouts and transactions of their
//! own, and undo what failed.

use database::script::{Lexeme, begins};
use squawk_linter::{Linter, Rule};
use squawk_syntax::SourceFile;

use super::{File, Hit, Looked, always, look, own, rows};
use crate::clauses;

/// Each with its safer form where squawk does not say it.
const RULES: &[(&str, Rule, &str)] = &[
    ("adding-field-with-default", Rule::AddingFieldWithDefault, ""),
    ("adding-foreign-key-constraint", Rule::AddingForeignKeyConstraint, ""),
    ("adding-not-nullable-field", Rule::AddingNotNullableField, ""),
    ("adding-required-field", Rule::AddingRequiredField, ""),
    ("adding-serial-primary-key-field", Rule::AddingSerialPrimaryKeyField, ""),
    (
        "ban-alter-domain-with-add-constraint",
        Rule::BanAlterDomainWithAddConstraint,
        "put it on the columns of the tables: NOT VALID first, and VALIDATE CONSTRAINT in a later migration",
    ),
    (
        "ban-alter-identity",
        Rule::BanAlterIdentity,
        "let every running release insert without a value of its own first, and change it a release later",
    ),
    (
        "ban-create-domain-with-constraint",
        Rule::BanCreateDomainWithConstraint,
        "make the domain without one, and put it on the columns of the tables",
    ),
    ("ban-drop-column", Rule::BanDropColumn, "stop using it first, and drop it a release later"),
    (
        "ban-drop-constraint",
        Rule::BanDropConstraint,
        "let nothing that runs rely on it first, and drop it a release later",
    ),
    ("ban-drop-database", Rule::BanDropDatabase, "drop it by hand, after a backup of it"),
    (
        "ban-drop-default",
        Rule::BanDropDefault,
        "let all that runs give the value itself first, and drop the default a release later",
    ),
    (
        "ban-drop-domain",
        Rule::BanDropDomain,
        "give the columns its base type first, and drop it a release later",
    ),
    (
        "ban-drop-extension",
        Rule::BanDropExtension,
        "stop using what is in it first, and drop it a release later, without CASCADE",
    ),
    (
        "ban-drop-function",
        Rule::BanDropFunction,
        "make the new one beside it under another name, and drop the old one a release later",
    ),
    (
        "ban-drop-generated-expression",
        Rule::BanDropGeneratedExpression,
        "let all that runs give the value itself first, and drop the expression a release later",
    ),
    (
        "ban-drop-not-null",
        Rule::BanDropNotNull,
        "let all that runs take a NULL first, and drop it a release later",
    ),
    (
        "ban-drop-schema",
        Rule::BanDropSchema,
        "rename it away first, and drop it once nobody has missed it, without CASCADE",
    ),
    (
        "ban-drop-sequence",
        Rule::BanDropSequence,
        "stop using it first, and drop it a release later; ALTER SEQUENCE changes one that stays",
    ),
    ("ban-drop-table", Rule::BanDropTable, "rename it away first, and drop it once nobody has missed it"),
    ("ban-drop-type", Rule::BanDropType, "give the columns another type first, and drop it a release later"),
    (
        "ban-drop-view",
        Rule::BanDropView,
        "CREATE OR REPLACE VIEW changes one that stays; else stop using it first, and drop it a release later",
    ),
    ("ban-duplicate-column-assignments", Rule::BanDuplicateColumnAssignments, "keep one of them"),
    ("ban-set-schema", Rule::BanSetSchema, "leave a view of it where it was, and drop that later"),
    ("ban-truncate-cascade", Rule::BanTruncateCascade, ""),
    (
        "changing-column-type",
        Rule::ChangingColumnType,
        "add a column of the new type beside it, fill it in pieces, and drop the old one a release later",
    ),
    ("constraint-missing-not-valid", Rule::ConstraintMissingNotValid, ""),
    ("disallowed-unique-constraint", Rule::DisallowedUniqueConstraint, ""),
    ("identifier-too-long", Rule::IdentifierTooLong, "choose a name of at most 63 bytes"),
    ("prefer-repack", Rule::PreferRepack, ""),
    ("renaming-column", Rule::RenamingColumn, "add the new column beside it, and drop the old one later"),
    ("renaming-object", Rule::RenamingObject, "make the new one beside it, and drop the old one later"),
    ("renaming-table", Rule::RenamingTable, "make a view of the old name, and drop it later"),
    ("require-concurrent-index-creation", Rule::RequireConcurrentIndexCreation, ""),
    ("require-concurrent-index-deletion", Rule::RequireConcurrentIndexDeletion, ""),
    ("require-concurrent-partition-detach", Rule::RequireConcurrentPartitionDetach, ""),
    ("require-concurrent-reindex", Rule::RequireConcurrentReindex, ""),
    ("require-enum-value-ordering", Rule::RequireEnumValueOrdering, ""),
];

/// What squawk does not find.
const OWN: &[&str] = &["ban-drop-owned", "merge-deletes"];

pub(crate) fn names() -> Vec<&'static str> {
    RULES.iter().map(|(name, ..)| *name).chain(OWN.iter().copied()).collect()
}

pub(crate) fn judge(file: &File<'_>, version: Option<&str>) -> Vec<Hit> {
    let mut hits = with_stack_for(file.text, || {
        let mut hits = squawked(file, &without_rows(file), file.transaction, version);
        // A block is in a transaction in any case.
        hits.extend(squawked(file, &hidden_alone(file), true, version));
        hits
    });
    hits.extend(file.all().flat_map(|looked| lost(file, looked)));
    hits
}

/// Runs it with a stack on which a text may be nested as deeply as its bytes allow: squawk's parser calls itself for each bracket
/// and each operator, and takes some 140 bytes for one.
fn with_stack_for<T: Send>(text: &str, work: impl Fn() -> T + Sync) -> T {
    const LEAST: usize = 2 << 20;
    const MOST: usize = 1 << 30;
    const EACH: usize = 1 << 10;
    let stack = text.len().saturating_mul(EACH).clamp(LEAST, MOST);
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, &work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}

fn squawked(file: &File<'_>, text: &str, in_transaction: bool, version: Option<&str>) -> Vec<Hit> {
    let mut linter = Linter::from(RULES.iter().map(|(_, rule, _)| *rule));
    linter.settings.assume_in_transaction = in_transaction;
    // `15.18 (Debian …)`; where it is not known, squawk's own default holds.
    let number = version.and_then(|version| version.split_whitespace().next());
    if let Some(version) = number.and_then(|number| number.parse().ok()) {
        linter.settings.pg_version = version;
    }
    let violations = linter.lint(&SourceFile::parse(text), text);
    let hits = violations.into_iter().filter_map(|violation| {
        let (rule, _, safer) = RULES.iter().find(|(_, rule, _)| *rule == violation.code)?;
        let at = usize::from(violation.text_range.start());
        if is_about_new_tables(file, at) || own::is_harmless(file, rule, at) {
            return None;
        }
        let safer = violation.help.unwrap_or_else(|| (*safer).to_owned());
        Some(Hit { rule, at, what: violation.message, safer })
    });
    hits.collect()
}

/// The statements that others hide, each where it is, and blanks in place of all else.
fn hidden_alone(file: &File<'_>) -> String {
    let mut text: Vec<u8> = file.text.bytes().map(|byte| if byte == b'\n' { byte } else { b' ' }).collect();
    for (place, looked) in file.hidden.iter().enumerate() {
        let (start, own) = (looked.statement.offset, looked.statement.text);
        let end = start + own.len();
        // One that was put together, or had escapes, is not in the text as it is; one that hides others stands for these.
        let hides =
            file.hidden.get(place + 1).is_some_and(|next| (start + 1..end).contains(&next.statement.offset));
        if file.text.get(start..end) == Some(own) && end < text.len() && !hides {
            text[start..end].copy_from_slice(own.as_bytes());
            text[end] = b';';
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Rows that go in ways of which squawk says nothing.
fn lost(file: &File<'_>, looked: &Looked<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    if begins(&looked.lexemes, &["DROP", "OWNED"]) {
        hits.push(Hit::new(
            "ban-drop-owned",
            &looked.statement,
            "everything in this database that these roles own goes, tables with their rows, and the rights that they were given",
            "give it to another role with REASSIGN OWNED BY … TO …, and drop by name what is to go",
        ));
    }
    for merge in rows::parts(&looked.lexemes) {
        let table = || look::name_at(merge, look::after(merge, look::after(merge, 1, &["INTO"]), &["ONLY"]));
        let Some((table, _)) = begins(merge, &["MERGE"]).then(table).flatten() else { continue };
        if deletes_all_that_matches(merge) && !file.is_new(&table, looked) {
            hits.push(Hit::new(
                "merge-deletes",
                &looked.statement,
                format!("every row of {table} is deleted that the other side has, or has not"),
                "say which rows with AND: WHEN MATCHED AND … THEN DELETE",
            ));
        }
    }
    hits
}

/// Whether a `WHEN … THEN DELETE` of a MERGE has no condition of its own, or one that is always true.
fn deletes_all_that_matches(merge: &[Lexeme<'_>]) -> bool {
    let chosen = source_says_which(merge);
    let mut rest = merge;
    while let Some(when) = look::place_of(rest, "WHEN") {
        rest = &rest[when + 1..];
        let clause = &rest[..look::place_of(rest, "WHEN").unwrap_or(rest.len())];
        let Some(then) =
            look::place_of(clause, "THEN").filter(|then| begins(&clause[*then..], &["THEN", "DELETE"]))
        else {
            continue;
        };
        let condition = look::place_of(&clause[..then], "AND").map(|and| &clause[and + 1..then]);
        if chosen && begins(clause, &["MATCHED"]) {
            continue;
        }
        if condition.is_none_or(always::is_true) {
            return true;
        }
    }
    false
}

/// Whether a MERGE takes its rows from a query that says which: `USING (SELECT … WHERE …)`.
fn source_says_which(merge: &[Lexeme<'_>]) -> bool {
    let query = look::place_of(merge, "USING")
        .filter(|using| merge.get(using + 1).is_some_and(|open| open.is_sign(b'(')));
    let Some(open) = query.map(|using| using + 1) else { return false };
    let query = merge.get(open + 1..clauses::closing(merge, open)).unwrap_or_default();
    look::place_of(query, "WHERE").is_some_and(|place| !always::is_true(&query[place + 1..]))
}

/// Whether the statement at a place alters, indexes or drops nothing but what the file has made itself.
fn is_about_new_tables(file: &File<'_>, at: usize) -> bool {
    let before = file.all().filter(|looked| looked.statement.offset <= at);
    let Some(looked) = before.max_by_key(|looked| looked.statement.offset) else { return false };
    let mut tables = look::dropped_tables(&looked.lexemes);
    tables.extend(look::alter(&looked.lexemes).map(|alter| alter.table));
    tables.extend(look::indexed(&looked.lexemes));
    !tables.is_empty() && tables.iter().all(|table| file.is_new(table, looked))
}

/// The rows after a `COPY` are no SQL: blanks in their place keep every other place where it is.
fn without_rows(file: &File<'_>) -> String {
    let mut text = String::with_capacity(file.text.len());
    let mut done = 0;
    for looked in &file.statements {
        let Some(rows) = looked.statement.copy_rows else { continue };
        let end = looked.statement.offset + looked.statement.text.len();
        let Some(start) = file.text[end..].find(rows).map(|found| end + found) else { continue };
        let stop = file.text[start + rows.len()..]
            .find('\n')
            .map_or(file.text.len(), |line| start + rows.len() + line);
        text.push_str(&file.text[done..start]);
        text.extend(file.text[start..stop].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        done = stop;
    }
    text.push_str(&file.text[done..]);
    text
}
