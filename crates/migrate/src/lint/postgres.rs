//! Squawk's rules for PostgreSQL: those that it has by itself, without those of taste (which type or which form of a
//! statement is preferred), and without those that dbm makes needless: its runs have timeouts and transactions of their
//! own, and undo what failed.

use squawk_linter::{Linter, Rule};
use squawk_syntax::SourceFile;

use super::{File, Hit, look, own};

const RULES: &[(&str, Rule)] = &[
    ("adding-field-with-default", Rule::AddingFieldWithDefault),
    ("adding-foreign-key-constraint", Rule::AddingForeignKeyConstraint),
    ("adding-not-nullable-field", Rule::AddingNotNullableField),
    ("adding-required-field", Rule::AddingRequiredField),
    ("adding-serial-primary-key-field", Rule::AddingSerialPrimaryKeyField),
    ("ban-alter-domain-with-add-constraint", Rule::BanAlterDomainWithAddConstraint),
    ("ban-alter-identity", Rule::BanAlterIdentity),
    ("ban-create-domain-with-constraint", Rule::BanCreateDomainWithConstraint),
    ("ban-drop-column", Rule::BanDropColumn),
    ("ban-drop-constraint", Rule::BanDropConstraint),
    ("ban-drop-database", Rule::BanDropDatabase),
    ("ban-drop-default", Rule::BanDropDefault),
    ("ban-drop-domain", Rule::BanDropDomain),
    ("ban-drop-extension", Rule::BanDropExtension),
    ("ban-drop-function", Rule::BanDropFunction),
    ("ban-drop-generated-expression", Rule::BanDropGeneratedExpression),
    ("ban-drop-not-null", Rule::BanDropNotNull),
    ("ban-drop-schema", Rule::BanDropSchema),
    ("ban-drop-sequence", Rule::BanDropSequence),
    ("ban-drop-table", Rule::BanDropTable),
    ("ban-drop-type", Rule::BanDropType),
    ("ban-drop-view", Rule::BanDropView),
    ("ban-duplicate-column-assignments", Rule::BanDuplicateColumnAssignments),
    ("ban-set-schema", Rule::BanSetSchema),
    ("ban-truncate-cascade", Rule::BanTruncateCascade),
    ("changing-column-type", Rule::ChangingColumnType),
    ("constraint-missing-not-valid", Rule::ConstraintMissingNotValid),
    ("disallowed-unique-constraint", Rule::DisallowedUniqueConstraint),
    ("identifier-too-long", Rule::IdentifierTooLong),
    ("prefer-repack", Rule::PreferRepack),
    ("renaming-column", Rule::RenamingColumn),
    ("renaming-object", Rule::RenamingObject),
    ("renaming-table", Rule::RenamingTable),
    ("require-concurrent-index-creation", Rule::RequireConcurrentIndexCreation),
    ("require-concurrent-index-deletion", Rule::RequireConcurrentIndexDeletion),
    ("require-concurrent-partition-detach", Rule::RequireConcurrentPartitionDetach),
    ("require-concurrent-reindex", Rule::RequireConcurrentReindex),
    ("require-enum-value-ordering", Rule::RequireEnumValueOrdering),
];

pub(crate) fn names() -> Vec<&'static str> {
    RULES.iter().map(|(name, _)| *name).collect()
}

pub(crate) fn judge(file: &File<'_>, version: Option<&str>) -> Vec<Hit> {
    let text = without_rows(file);
    let mut linter = Linter::from(RULES.iter().map(|(_, rule)| *rule));
    linter.settings.assume_in_transaction = file.transaction;
    // `15.18 (Debian …)`; where it is not known, squawk's own default holds.
    let number = version.and_then(|version| version.split_whitespace().next());
    if let Some(version) = number.and_then(|number| number.parse().ok()) {
        linter.settings.pg_version = version;
    }
    let violations = linter.lint(&SourceFile::parse(&text), &text);
    let hits = violations.into_iter().filter_map(|violation| {
        let (rule, _) = RULES.iter().find(|(_, rule)| *rule == violation.code)?;
        let at = usize::from(violation.text_range.start());
        if is_about_new_tables(file, at) || own::is_harmless(file, rule, at) {
            return None;
        }
        let safer = violation.help.unwrap_or_else(|| format!("see https://squawkhq.com/docs/{rule}"));
        Some(Hit { rule, at, what: violation.message, safer })
    });
    hits.collect()
}

/// Whether the statement at a place alters or drops nothing but what the file has made itself.
fn is_about_new_tables(file: &File<'_>, at: usize) -> bool {
    let Some(looked) = file.statements.iter().rev().find(|looked| looked.statement.offset <= at) else {
        return false;
    };
    let mut tables = look::dropped_tables(&looked.lexemes);
    tables.extend(look::alter(&looked.lexemes).map(|alter| alter.table));
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
