//! What is found, as files of dbm's.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};

use super::script::has_statement;
use super::{Adopted, Adoption, Found, Project, Tool, reading};
use crate::files::Folder;
use crate::placeholders;

pub(super) fn adoption(
    tool: Tool,
    project: Project,
    applied: &[bool],
    again: &[String],
    to: &Folder,
) -> Adoption {
    let Project { migrations, repeatables, placeholders, mut notes, .. } = project;
    let text = |sql: &str| if placeholders { sql.to_owned() } else { placeholders::escape(sql) };
    // Three digits or more, and all of the same length.
    let mut files = Vec::new();
    for (number, (found, applied)) in (1_u64..).zip(migrations.iter().zip(applied)) {
        let mut head = format!("-- {} {}{}\n", tool.word(), found.version, described(found));
        let down = found.down.as_ref().filter(|down| has_statement(down));
        if found.no_transaction {
            head.push_str("-- dbm: no-transaction\n");
        }
        if down.is_none() {
            head.push_str(&format!("-- dbm: irreversible {} had nothing that takes it back\n", tool.word()));
        }
        let name = match slug(&found.name) {
            name if name.is_empty() => slug(&found.version),
            name => name,
        };
        files.push(Adopted {
            path: to.migrations.join(format!("{number:03}_{name}.sql")),
            from: Some(found.version.clone()),
            applied: *applied,
            text: format!("{head}\n{}", text(&something(&found.up))),
            number: Some(number),
        });
        if let Some(down) = down {
            let alone = if found.no_transaction { "-- dbm: no-transaction\n" } else { "" };
            files.push(Adopted {
                path: to.rollback.join(format!("{number:03}_{name}.sql")),
                from: None,
                applied: false,
                text: format!(
                    "-- Takes back {number:03}_{name}.\n{alone}\n{}",
                    text(down.trim_start_matches('\n'))
                ),
                number: None,
            });
        }
    }
    for found in &repeatables {
        files.push(Adopted {
            path: to.migrations.join("repeatable").join(format!("{}.sql", slug(&found.name))),
            from: Some(found.name.clone()),
            applied: found.ran.as_ref().is_some_and(|ran| again.contains(ran)),
            text: format!("-- {} {}\n\n{}", tool.word(), found.name, text(&something(&found.up))),
            number: None,
        });
    }
    if placeholders {
        notes.extend(filled_in(&files));
        notes.extend(left(&files));
    }
    if files.iter().any(|file| file.number.is_none() && file.from.is_some() && !file.applied) {
        notes.push("what runs again when it changes runs once more with the first `dbm migrate`".to_owned());
    }
    Adoption { tool, files, notes }
}

/// What gets its values from the configuration now.
fn filled_in(files: &[Adopted]) -> Option<String> {
    let all = files.iter().flat_map(|file| placeholders::braced(&file.text)).map(|(_, name)| name);
    let names: BTreeSet<&str> = all.filter(|name| placeholders::is_placeholder(name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    Some(format!("these placeholders get their values from dbm.toml, [placeholders]: {names}"))
}

/// What its tool filled in, and dbm does not: `${flyway:defaultSchema}`.
fn left(files: &[Adopted]) -> Option<String> {
    let all = files.iter().flat_map(|file| {
        let left = placeholders::braced(&file.text).filter(|(_, name)| !placeholders::is_placeholder(name));
        left.map(|(line, name)| {
            // Other texts may be a part of anything.
            let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
            format!("${{{}}} ({}, line {line})", if is_name { name } else { "…" }, file.path.display())
        })
    });
    let all: Vec<String> = all.collect();
    let all = (!all.is_empty()).then(|| all.join(", "))?;
    Some(format!(
        "these stay in the text as they are, and get no value: {all}; write the value in their place, or ${{name}} (letters, \
         digits, `_`, `-` and `.`) with a value in dbm.toml, [placeholders]"
    ))
}

/// Other tools apply a file that has no statement; to dbm it is one that was forgotten.
fn something(sql: &str) -> String {
    let sql = sql.trim_start_matches('\n');
    match (has_statement(sql), sql.trim_end()) {
        (true, _) => sql.to_owned(),
        (false, "") => "SELECT 1;\n".to_owned(),
        (false, comment) => format!("{comment}\nSELECT 1;\n"),
    }
}

fn described(found: &Found) -> String {
    if found.name.is_empty() || found.version.contains(&found.name) {
        String::new()
    } else {
        format!(": {}", found.name.replace('\n', " "))
    }
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            c if c.is_alphanumeric() => slug.push(c),
            _ if slug.ends_with('_') || slug.is_empty() => {}
            _ => slug.push('_'),
        }
    }
    slug.truncate(slug.char_indices().nth(100).map_or(slug.len(), |(end, _)| end));
    slug.trim_end_matches('_').to_owned()
}

pub(super) fn write(adoption: &Adoption) -> Result<()> {
    let missing = missing(adoption)?;
    let mut written: Vec<&Path> = Vec::new();
    for file in missing {
        if let Err(error) = put(&file.path, &file.text) {
            for path in written {
                let _stays = fs::remove_file(path);
            }
            return Err(error);
        }
        written.push(&file.path);
    }
    Ok(())
}

/// The files that are not there yet. Asks of all of them whether something is in the way.
fn missing(adoption: &Adoption) -> Result<Vec<&Adopted>> {
    let hint = "adopt into empty folders: --migrations FOLDER --rollback-folder FOLDER, or dbm.toml";
    let mut missing: Vec<&Adopted> = Vec::new();
    for file in &adoption.files {
        if missing.iter().any(|other| other.path == file.path) {
            let what = format!("two files would be {}", file.path.display());
            return Err(Error::new(ErrorKind::Refused, what).with_hint("give one of them another name"));
        }
        match fs::read(&file.path) {
            Ok(bytes) if bytes == file.text.as_bytes() => continue,
            Ok(_) => {
                let what = format!("{} is there already, with another text", file.path.display());
                return Err(Error::new(ErrorKind::Refused, what).with_hint(hint));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push(file),
            Err(error) => return Err(failed("read", &file.path, error)),
        }
    }
    for file in &missing {
        let Some(digits) = reading::version_and_name(&reading::name(&file.path)).map(|(digits, _)| digits)
        else {
            continue;
        };
        let folder = file.path.parent().unwrap_or(Path::new("."));
        let others = if folder.exists() { reading::sql(folder)? } else { Vec::new() };
        let number = |path: &PathBuf| {
            let (number, _) = reading::version_and_name(&reading::name(path))?;
            (reading::numeric(&number) == reading::numeric(&digits)).then(|| path.display().to_string())
        };
        if let Some(other) = others.iter().find_map(number) {
            let what = format!("{other} has the number of {}", file.path.display());
            return Err(Error::new(ErrorKind::Refused, what).with_hint(hint));
        }
    }
    let folders: BTreeSet<&Path> = missing.iter().filter_map(|file| file.path.parent()).collect();
    for folder in folders {
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, error))?;
        tempfile::Builder::new()
            .prefix(".dbm-adopt-")
            .tempfile_in(folder)
            .map_err(|error| failed("write into", folder, error))?;
    }
    Ok(missing)
}

fn put(path: &PathBuf, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed("make", folder, error))?;
    let written = tempfile::Builder::new().prefix(".dbm-adopt-").tempfile_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map(drop).map_err(|failed| failed.error)
    });
    written.map_err(|error| failed("write", path, error))
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).with_source(error)
}
