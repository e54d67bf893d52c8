//! Liquibase's formatted SQL: changesets in files, <https://docs.liquibase.com/concepts/changelogs/sql-format.html>.

use std::collections::BTreeMap;
use std::path::Path;

use backup::{Error, ErrorKind, Result};
use database::Engine;

use super::table::Table;
use super::{Found, Project, reading, script};

/// A row for each changeset, which is known by author, id and file; what was only marked as run counts too.
pub(super) const TABLE: Table = Table {
    names: &["databasechangelog", "DATABASECHANGELOG"],
    versions: "SELECT concat(author, ':', id), filename FROM {} ORDER BY orderexecuted",
    failed: None,
    up_to: false,
    baseline: None,
    again: None,
    meant: Some(meant),
};

/// The changeset that a row is of. Its file is named from where the changelogs are looked for, which need not be the folder
/// that is adopted: the ends of the names are compared.
fn meant(project: &Project, row: &[String]) -> String {
    let [changeset, file] = row else { return row.join(" in ") };
    let file = file.strip_prefix("classpath:").unwrap_or(file);
    let of_it = project.files.iter().filter(|(version, own)| {
        version.strip_prefix(changeset).is_some_and(|rest| rest.is_empty() || rest == in_file(own))
    });
    let found = of_it.map(|(version, own)| (in_common(own, file), version)).filter(|(common, _)| *common > 0);
    let mut found: Vec<_> = found.collect();
    found.sort();
    match found.as_slice() {
        [.., (last, _), (best, version)] if best > last => (*version).clone(),
        [(_, version)] => (*version).clone(),
        _ => format!("{changeset}{}", in_file(file)),
    }
}

fn in_file(file: &str) -> String {
    format!(" in {file}")
}

/// How many parts two paths have in common, where the shorter one is the end of the other; otherwise none.
fn in_common(one: &str, other: &str) -> usize {
    let parts = |path: &str| -> Vec<String> {
        let parts = path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "."));
        parts.map(str::to_owned).collect()
    };
    let (one, other) = (parts(one), parts(other));
    if one.ends_with(&other) || other.ends_with(&one) { one.len().min(other.len()) } else { 0 }
}

/// What a changeset says of itself.
#[derive(Default)]
struct Changeset {
    found: Found,
    down: String,
    no_split: bool,
    delimiter: Option<String>,
    again: bool,
    /// Its file, where it says another one than it is in.
    file: Option<String>,
    /// Why it is not run here.
    left_out: Option<String>,
}

pub(super) fn read(engine: Engine, folder: &Path) -> Result<Project> {
    let mut project = Project::default();
    let mut places = Vec::new();
    for path in reading::sql_below(folder)? {
        let text = reading::text(&path)?;
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if !first.replace(' ', "").to_ascii_lowercase().starts_with("--liquibaseformattedsql") {
            project.notes.push(format!("{} is no formatted SQL, and is not taken over", path.display()));
            continue;
        }
        let within = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let called = words(first).iter().find_map(|word| logical(word)).unwrap_or(within);
        let mut changesets = Vec::new();
        let mut block = false;
        for line in text.lines().skip_while(|line| line.trim().is_empty()).skip(1) {
            take(engine, line, &path, &mut changesets, &mut block, &mut project.notes)?;
        }
        for changeset in changesets {
            if let Some(why) = &changeset.left_out {
                let version = &changeset.found.version;
                project.notes.push(format!("{}: {version} is not taken over: {why}", path.display()));
                continue;
            }
            let again = changeset.again;
            places.push((again, changeset.file.clone().unwrap_or_else(|| called.clone())));
            let found = finished(engine, changeset);
            if again { project.repeatables.push(found) } else { project.migrations.push(found) }
        }
    }
    name_files(&mut project, places);
    Ok(project)
}

/// Says of each changeset which file it is of, and makes it a part of its version where author and id alone do not tell it
/// from others. The files are in the order of the changesets.
fn name_files(project: &mut Project, files: Vec<(bool, String)>) {
    let (mut again, mut once) = (project.repeatables.iter_mut(), project.migrations.iter_mut());
    let mut all: Vec<(&mut Found, String)> = Vec::new();
    for (is_again, file) in files {
        let found = if is_again { again.next() } else { once.next() };
        all.extend(found.map(|found| (found, file)));
    }
    let mut counts = BTreeMap::<String, usize>::new();
    for (found, _) in &all {
        *counts.entry(found.version.clone()).or_default() += 1;
    }
    for (found, file) in all {
        if counts.get(&found.version).is_some_and(|count| *count > 1) {
            found.version.push_str(&in_file(&file));
        }
        project.files.insert(found.version.clone(), file);
    }
}

/// Another name that Liquibase knows a file by.
fn logical(word: &str) -> Option<String> {
    let (key, value) = word.split_once(':')?;
    key.eq_ignore_ascii_case("logicalFilePath").then(|| value.to_owned())
}

/// Takes one line into the changeset that it is of.
fn take(
    engine: Engine,
    line: &str,
    path: &Path,
    changesets: &mut Vec<Changeset>,
    block: &mut bool,
    notes: &mut Vec<String>,
) -> Result<()> {
    if let Some(head) = reading::mark(line, "changeset") {
        changesets.push(begun(engine, head, path)?);
        return Ok(());
    }
    if let Some(property) = reading::mark(line, "property") {
        let what = format!("{}: `property {property}` puts a value into the SQL", path.display());
        return Err(Error::new(ErrorKind::Refused, what).with_hint("write the value in its places first"));
    }
    let Some(changeset) = changesets.last_mut() else { return Ok(()) };
    let trimmed = line.trim();
    if *block {
        *block = !trimmed.ends_with("*/");
        changeset.down.push_str(trimmed.trim_end_matches("*/"));
        changeset.down.push('\n');
    } else if let Some(rest) =
        trimmed.strip_prefix("/*").filter(|rest| rest.trim().to_lowercase().starts_with("liquibase rollback"))
    {
        *block = !rest.ends_with("*/");
    } else if let Some(rollback) = reading::mark(line, "rollback") {
        let word = rollback.trim_end_matches(';').to_ascii_lowercase();
        // `empty` and nothing at all: there is nothing to be taken back.
        let rollback =
            if matches!(word.as_str(), "empty" | "not required" | "") { "SELECT 1;" } else { rollback };
        changeset.down.push_str(rollback);
        changeset.down.push('\n');
    } else if reading::mark(line, "preconditions").is_some()
        || reading::mark(line, "precondition-sql-check").is_some()
    {
        notes.push(format!(
            "{}: the precondition of {} is not taken over; `-- dbm: unless` and `-- dbm: verify` may do what it does",
            path.display(),
            changeset.found.version
        ));
    } else if reading::mark(line, "comment").is_none() {
        changeset.found.up.push_str(line);
        changeset.found.up.push('\n');
    }
    Ok(())
}

/// `author:id attribute:value …`
fn begun(engine: Engine, head: &str, path: &Path) -> Result<Changeset> {
    let words = words(head.trim_start_matches(':'));
    let mut words = words.iter();
    let Some((author, id)) = words.next().and_then(|name| name.split_once(':')) else {
        let what = format!("{}: `changeset {head}` is not author:id", path.display());
        return Err(Error::new(ErrorKind::Refused, what).with_hint("mend the line"));
    };
    let found = Found { version: format!("{author}:{id}"), name: id.to_owned(), ..Found::default() };
    let mut changeset = Changeset { found, ..Changeset::default() };
    for (key, value) in words.filter_map(|word| word.split_once(':')) {
        match key.to_ascii_lowercase().as_str() {
            "splitstatements" => changeset.no_split = value.eq_ignore_ascii_case("false"),
            "enddelimiter" => changeset.delimiter = Some(value.to_owned()),
            "runintransaction" => changeset.found.no_transaction = value.eq_ignore_ascii_case("false"),
            "dbms" if !is_of(engine, value) => {
                changeset.left_out = Some(format!("it is for another engine (dbms:{value})"));
            }
            "ignore" if value.eq_ignore_ascii_case("true") => {
                changeset.left_out = Some("it is ignored".to_owned());
            }
            "context" | "contexts" | "contextfilter" | "labels" => {
                let what =
                    format!("{}: {author}:{id} is run in some places only (`{key}:{value}`)", path.display());
                return Err(Error::new(ErrorKind::Refused, what).with_hint(
                    "take the changeset out, or the word where it is run everywhere; rows for tests belong into migrations/seeds/",
                ));
            }
            "logicalfilepath" => changeset.file = Some(value.to_owned()),
            "runonchange" | "runalways" => changeset.again |= value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }
    Ok(changeset)
}

/// The words of a line, with what stands in quotes as a part of one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a list of engines (`postgresql,mysql`, `!oracle`, `all`) has this one in it.
fn is_of(engine: Engine, list: &str) -> bool {
    let ours: &[&str] = match engine {
        Engine::Postgres => &["postgresql"],
        Engine::Mysql => &["mysql", "mariadb"],
        Engine::Sqlite => &["sqlite"],
        _ => &[],
    };
    let list: Vec<String> = list.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    let excluded = |word: &String| word.strip_prefix('!').is_some_and(|word| ours.contains(&word));
    if list.iter().any(excluded) {
        return false;
    }
    list.iter().all(|word| word.starts_with('!') || word.is_empty())
        || list.iter().any(|word| word == "all" || ours.contains(&word.as_str()))
}

fn finished(engine: Engine, changeset: Changeset) -> Found {
    let Changeset { mut found, down, no_split, delimiter, .. } = changeset;
    found.up = match delimiter {
        Some(delimiter) if delimiter != ";" => script::redelimited(engine, &found.up, &delimiter),
        _ if no_split => script::one_statement(engine, &found.up),
        _ => script::statements(engine, &found.up),
    };
    found.down = script::has_statement(&down).then(|| script::statements(engine, &down));
    found
}
