use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};

use super::requires::in_order;
use super::{Direction, MigrateOptions, RollbackOptions, Until};
use crate::files::{
    ALGORITHM, Directives, Finding, Migration, Repeat, Rule, Source, is_folded, label, partly, squashed,
    unfilled,
};
use crate::history::{Applied, State};

/// What is to be run, before it is looked into.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Which way.
    pub direction: Direction,
    pub(super) chosen: Vec<Chosen>,
    /// What has to be known before it is run.
    pub(super) warnings: Vec<String>,
}

impl Selection {
    /// The numbers in their order.
    pub fn numbers(&self) -> Vec<u64> {
        self.chosen.iter().map(|chosen| chosen.number).collect()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Which kind of file without a number it is, if it has none.
    pub(super) repeat: Option<Repeat>,
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) directives: Directives,
    /// The text to be run; none where only the history's row is to be removed.
    pub(super) source: Option<Source>,
    /// For the history.
    pub(super) module: Option<String>,
    pub(super) checksum: String,
    pub(super) rollback: Option<String>,
}

/// What of the history does not fit the folder: changed after they were applied, or gone.
pub fn drifted(migrations: &[Migration], history: &[Applied]) -> Vec<Finding> {
    let by_number: BTreeMap<u64, &Migration> = migrations.iter().map(|file| (file.number, file)).collect();
    let mut findings = Vec::new();
    // Where the others are, its file was.
    let folder = migrations.first().and_then(|file| file.source.path.parent()).unwrap_or(Path::new(""));
    let squashed = squashed(migrations);
    if let Some(partly) = squashed.and_then(|file| partly(file, history)) {
        return vec![partly];
    }
    for row in history.iter().filter(|row| !is_folded(squashed, row)) {
        let label = label(row.number, &row.name);
        match by_number.get(&row.number) {
            Some(file) => findings.extend(changed(file, row)),
            None => findings.push(Finding {
                rule: Rule::Gone,
                line: None,
                path: folder.join(format!("{label}.sql")),
                message: format!("{label} is applied (since {}), and its file is gone", row.applied_at),
                hint: format!(
                    "bring {label}.sql back from version control, or use the release that has it; \
                     `dbm rollback` can still take it back, its rollback is in the history; `dbm repair` has other ways"
                ),
            }),
        }
    }
    findings
}

fn changed(file: &Migration, row: &Applied) -> Option<Finding> {
    let path = file.source.path.clone();
    if row.algorithm != ALGORITHM {
        return Some(Finding {
            rule: Rule::Changed,
            line: None,
            message: format!(
                "{} was applied with a checksum `{}` that this dbm does not know",
                path.display(),
                row.algorithm
            ),
            hint: format!("use the newer dbm that wrote it (it was {})", row.dbm),
            path,
        });
    }
    (file.checksum() != row.checksum).then(|| Finding {
        rule: Rule::Changed,
        line: None,
        message: format!("{} was changed after it was applied on {}", path.display(), row.applied_at),
        hint: "bring its text back from version control, and write a new migration for what is to change; if only what \
               counts for nothing was changed: `dbm repair`"
            .to_owned(),
        path,
    })
}

fn refuse(findings: Vec<Finding>) -> Result<()> {
    let others = findings.len().saturating_sub(1);
    let Some(first) = findings.into_iter().next() else { return Ok(()) };
    let more =
        if others == 0 { String::new() } else { format!("; `dbm check` lists this and {others} more") };
    Err(Error::new(ErrorKind::Refused, first.message).with_hint(first.hint + &more))
}

/// The migrations to be applied: those of the folder that the history does not have, in their order.
///
/// # Errors
/// The history and the folder do not fit, a lower number came late, or something required is missing.
pub fn to_migrate(
    migrations: &[Migration],
    history: &[Applied],
    options: &MigrateOptions,
) -> Result<Selection> {
    refuse(drifted(migrations, history))?;
    let numbers: BTreeSet<u64> = migrations.iter().map(|file| file.number).collect();
    known_number(options.to, &numbers, "--to")?;
    known_module(migrations, options.module.as_deref())?;
    let applied: BTreeSet<u64> = history.iter().map(|row| row.number).collect();
    let wanted = |file: &&Migration| {
        !applied.contains(&file.number)
            && options.to.is_none_or(|to| file.number <= to)
            && options.only.as_ref().is_none_or(|only| only.contains(&file.number))
            && options
                .module
                .as_deref()
                .is_none_or(|module| file.directives.module.as_deref().unwrap_or_default() == module)
    };
    let pending: Vec<&Migration> = migrations.iter().filter(wanted).collect();
    if !options.out_of_order {
        refuse(late(migrations, &pending, history))?;
    }
    let mut ordered = in_order(&pending).map_err(|circle| {
        let labels: Vec<String> = circle.iter().map(|file| file.label()).collect();
        Error::new(ErrorKind::Refused, format!("{} require each other in a circle", labels.join(", ")))
            .with_hint("take one `-- dbm: requires` of them out")
    })?;
    ordered.truncate(options.count.unwrap_or(usize::MAX));
    let chosen: BTreeSet<u64> = ordered.iter().map(|file| file.number).collect();
    let folded = squashed(migrations).map(|file| file.number);
    for file in &ordered {
        let missing =
            file.directives.requires.iter().find(|number| {
                !applied.contains(number) && !chosen.contains(number) && Some(**number) > folded
            });
        if let Some(number) = missing {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} requires {number:03}, which is neither applied nor part of this run",
                    file.label()
                ),
            )
            .with_hint("run without `--to` and `--module`, or apply that one first"));
        }
    }
    let rollbacks = ordered.iter().map(|file| file.rollback_source()).collect::<Result<Vec<_>>>()?;
    let files = || ordered.iter().zip(&rollbacks);
    refuse(files().flat_map(|(file, rollback)| unfilled(&file.source, rollback.as_deref())).collect())?;
    let chosen = files().map(|(file, rollback)| Chosen {
        repeat: None,
        number: file.number,
        name: file.name.clone(),
        directives: file.directives.clone(),
        source: Some(file.source.clone()),
        module: file.directives.module.clone(),
        checksum: file.checksum(),
        rollback: rollback.as_ref().map(|rollback| rollback.text.clone()),
    });
    Ok(Selection { direction: Direction::Migrate, chosen: chosen.collect(), warnings: Vec::new() })
}

/// Pending files with a number below one of the same module that is applied, and that would come before it in a new
/// database: what `requires` puts after it is not late.
pub(crate) fn late(migrations: &[Migration], pending: &[&Migration], history: &[Applied]) -> Vec<Finding> {
    let mut rows: BTreeMap<Option<&str>, Vec<&Applied>> = BTreeMap::new();
    for row in history {
        rows.entry(row.module.as_deref()).or_default().push(row);
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(|row| std::cmp::Reverse(row.number)));
    let mut places = None;
    let mut findings = Vec::new();
    for file in pending {
        let above = rows.get(&file.directives.module.as_deref()).into_iter().flatten();
        let mut above = above.take_while(|row| row.number > file.number).peekable();
        if above.peek().is_none() {
            continue;
        }
        let places = places.get_or_insert_with(|| places_in_order(migrations));
        let comes_before = |row: &&&Applied| match (places.get(&file.number), places.get(&row.number)) {
            (Some(own), Some(place)) => own < place,
            _ => true,
        };
        let Some(top) = above.find(comes_before) else { continue };
        findings.push(Finding {
            rule: Rule::Late,
            line: None,
            path: file.source.path.clone(),
            message: format!("{} came after {} was applied", file.label(), label(top.number, &top.name)),
            hint: "say `--out-of-order` if it does not need to come before that one, or give it the next free number"
                .to_owned(),
        });
    }
    findings
}

/// Where each number comes in a new database; nothing where `requires` goes round in a circle.
fn places_in_order(migrations: &[Migration]) -> BTreeMap<u64, usize> {
    let all: Vec<&Migration> = migrations.iter().collect();
    let ordered = in_order(&all).unwrap_or_default();
    ordered.into_iter().enumerate().map(|(place, file)| (file.number, place)).collect()
}

fn known_number(number: Option<u64>, known: &BTreeSet<u64>, option: &str) -> Result<()> {
    match number.filter(|number| !known.contains(number)) {
        None => Ok(()),
        Some(number) => Err(Error::new(
            ErrorKind::Usage,
            format!("`{option} {number:03}`: there is no migration of that number"),
        )
        .with_hint("`dbm status` lists them")),
    }
}

fn known_module(migrations: &[Migration], module: Option<&str>) -> Result<()> {
    let Some(module) = module.filter(|module| !module.is_empty()) else { return Ok(()) };
    let modules: BTreeSet<&str> =
        migrations.iter().filter_map(|file| file.directives.module.as_deref()).collect();
    if modules.contains(module) {
        return Ok(());
    }
    let hint = if modules.is_empty() {
        "no migration says `-- dbm: module NAME`".to_owned()
    } else {
        format!("the modules are: {}", modules.into_iter().collect::<Vec<_>>().join(", "))
    };
    Err(Error::new(ErrorKind::Usage, format!("no migration is of the module `{module}`")).with_hint(hint))
}

/// The migrations to be taken back, the last applied first.
///
/// # Errors
/// One is irreversible or was changed, its rollback is nowhere, or one that stays requires it.
pub fn to_rollback(
    migrations: &[Migration],
    history: &[Applied],
    options: &RollbackOptions,
) -> Result<Selection> {
    let files: BTreeMap<u64, &Migration> = migrations.iter().map(|file| (file.number, file)).collect();
    let mut rows: Vec<&Applied> = history
        .iter()
        .filter(|row| options.module.as_deref().is_none_or(|module| row.module.as_deref() == Some(module)))
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.position, row.number)));
    match &options.until {
        Until::Count(count) if *count > rows.len() && !rows.is_empty() => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{count} migrations cannot be taken back: {} applied", are(rows.len())),
            )
            .with_hint(
                "a bare number is how many; `--to NUMBER` goes back to a migration, `--all` takes all back",
            ));
        }
        Until::Count(count) => rows.truncate(*count),
        Until::Run(run) => {
            rows.retain(|row| row.run == *run);
            if rows.is_empty() {
                let message = format!("nothing that is applied was applied by a run `{run}`");
                return Err(Error::new(ErrorKind::Usage, message)
                    .with_hint("`dbm history` shows in its last column which run applied what"));
            }
        }
        Until::To(number) => {
            let number = *number;
            // Zero is what Alembic's users call the base.
            if number != 0 && !history.iter().any(|row| row.number == number) {
                let one = squashed(migrations).filter(|file| {
                    file.directives.squashes.is_some_and(|first| (first..file.number).contains(&number))
                });
                if let Some(one) = one {
                    let what = format!(
                        "`--to {number:03}`: that migration is not applied: it is folded into {}, with which this database began",
                        one.label()
                    );
                    return Err(Error::new(ErrorKind::Usage, what).with_hint(format!(
                        "nothing is before that one: go back to it, `--to {:03}`, or restore a backup: `dbm backups`",
                        one.number
                    )));
                }
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("`--to {number:03}`: that migration is not applied"),
                )
                .with_hint("`dbm history` lists the applied ones; `--all` takes all of them back"));
            }
            rows.retain(|row| row.number > number);
        }
        Until::All => {}
    }
    let going: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
    for stays in history.iter().filter(|row| !going.contains(&row.number)) {
        let needs =
            files.get(&stays.number).map(|file| file.directives.requires.as_slice()).unwrap_or_default();
        if let Some(number) = needs.iter().find(|number| going.contains(number)) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{} requires {number:03}, and would stay", label(stays.number, &stays.name)),
            )
            .with_hint("roll that one back too: `dbm rollback --to` a lower number"));
        }
    }
    let squashed = squashed(migrations);
    // What is folded is taken back by what its row has kept.
    let file_of = |row: &Applied| files.get(&row.number).copied().filter(|_| !is_folded(squashed, row));
    let warnings = squashed.and_then(|file| left_with_a_part(file, history, &going)).into_iter().collect();
    let chosen = rows.into_iter().map(|row| choose(row, file_of(row))).collect::<Result<_>>()?;
    Ok(Selection { direction: Direction::Rollback, chosen, warnings })
}

/// That this folder has no way forward any more where only a part of what one file stands for is taken back.
fn left_with_a_part(squashed: &Migration, history: &[Applied], going: &BTreeSet<u64>) -> Option<String> {
    let (folded, stay): (Vec<&Applied>, Vec<&Applied>) =
        history.iter().partition(|row| going.contains(&row.number));
    let folded: Vec<String> = folded
        .into_iter()
        .filter(|row| is_folded(Some(squashed), row))
        .map(|row| label(row.number, &row.name))
        .collect();
    let stay: Vec<Applied> = stay.into_iter().cloned().collect();
    if folded.is_empty() || partly(squashed, &stay).is_none() {
        return None;
    }
    let (are, they, files) = match folded.len() {
        1 => ("is", "it", "its file"),
        _ => ("are", "them", "their files"),
    };
    Some(format!(
        "{} {are} folded into {}, so this folder cannot apply {they} again, nor anything after {they}: that takes the release \
         that has {files}",
        folded.join(", "),
        squashed.label()
    ))
}

fn are(count: usize) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

fn choose(row: &Applied, file: Option<&Migration>) -> Result<Chosen> {
    let label = label(row.number, &row.name);
    if let Some(file) = file {
        refuse(changed(file, row).into_iter().collect())?;
    }
    let mut chosen = Chosen {
        repeat: None,
        number: row.number,
        name: row.name.clone(),
        directives: Directives::default(),
        source: None,
        module: row.module.clone(),
        checksum: row.checksum.clone(),
        rollback: row.rollback.clone(),
    };
    // dbm does not take back what it did not make.
    if row.state == State::Satisfied {
        return Ok(chosen);
    }
    if let Some(reason) = file.and_then(|file| file.directives.irreversible.as_deref()) {
        return Err(Error::new(ErrorKind::Refused, format!("{label} is irreversible: {reason}"))
            .with_hint("stop above it with `--to`, or restore a backup from before it: `dbm backups`, `dbm restore NAME`"));
    }
    let kept = || {
        row.rollback.clone().map(|text| Source {
            path: PathBuf::from(format!("{label} (rollback kept in the history)")),
            text,
        })
    };
    let of_file = file.map(Migration::rollback_source).transpose()?.flatten();
    let source = of_file.map(Cow::into_owned).or_else(kept).ok_or_else(|| {
        Error::new(
            ErrorKind::Refused,
            format!("the rollback of {label} is neither in the folder nor in the history"),
        )
        .with_hint(
            "write it, or restore a backup from before the migration: `dbm backups`, `dbm restore NAME`",
        )
    })?;
    chosen.directives = Directives::parse(&source.text, &source.path)?;
    chosen.source = Some(source);
    Ok(chosen)
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
