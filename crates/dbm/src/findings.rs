//! What `check` found, for people, for code scanning and for a build's annotations.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use migrate::files::{Finding, Rule};
use serde_json::{Value, json};

use crate::output;

/// The rule's name.
fn rule(finding: &Finding) -> String {
    let name = serde_json::to_value(finding.rule).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

/// A statement may be meant so; anything else stops a run.
fn is_warning(finding: &Finding) -> bool {
    matches!(finding.rule, Rule::Statement(_))
}

/// Lines for people.
pub(crate) fn text(findings: &[Finding], migrations: usize) -> String {
    let migrations = output::plural(migrations as u64, "migration");
    if findings.is_empty() {
        return format!("{migrations}: nothing was found\n");
    }
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{}: {}\n  {}\n", rule(finding), finding.message, finding.hint));
    }
    let warnings = findings.iter().filter(|finding| is_warning(finding)).count();
    let counts = [(findings.len() - warnings, "mistake"), (warnings, "dangerous statement")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| output::plural(count as u64, word)).collect();
    text.push_str(&format!("{migrations}: {} found\n", counts.join(" and ")));
    text
}

/// The root of the checkout that a project is in, to which code scanning and builds want the names of files relative; the
/// project's own where it is in none.
fn checkout(root: &Path) -> &Path {
    root.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(root)
}

/// The file as those want it who have the checkout: relative to its root, with `/` between. One outside keeps its full name.
fn place(finding: &Finding, checkout: &Path) -> String {
    // A folder may be configured as `../migrations`; what is gone cannot be asked where it was.
    let climbs = finding.path.components().any(|part| part == Component::ParentDir);
    let path = match climbs {
        true => finding.path.canonicalize().unwrap_or_else(|_| without_climbing(&finding.path)),
        false => finding.path.clone(),
    };
    let real = checkout.canonicalize().ok().filter(|_| climbs);
    let inside = real.and_then(|real| path.strip_prefix(real).ok().map(Path::to_owned));
    let inside = inside.or_else(|| path.strip_prefix(checkout).ok().map(Path::to_owned));
    let Some(path) = inside else {
        return path.to_string_lossy().into_owned();
    };
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A path without `..`, by its letters.
fn without_climbing(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The same as a URI: of its own where it is outside.
fn uri(finding: &Finding, checkout: &Path) -> String {
    let place = place(finding, checkout);
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encoded = helpers::percent::encode_bytes(place.as_bytes(), stays);
    if place.starts_with('/') { format!("file://{encoded}") } else { encoded }
}

/// What code scanning shows of a rule: its name in words, and what mends the first that it has found.
fn described(findings: &[Finding]) -> Vec<Value> {
    let mut rules: BTreeMap<String, &Finding> = BTreeMap::new();
    for finding in findings {
        rules.entry(rule(finding)).or_insert(finding);
    }
    let described = rules.into_iter().map(|(id, finding)| {
        let words = id.replace('-', " ");
        json!({
            "id": id,
            "shortDescription": { "text": words },
            "fullDescription": { "text": words },
            "help": { "text": finding.hint },
        })
    });
    described.collect()
}

/// SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
pub(crate) fn sarif(findings: &[Finding], root: &Path) -> Value {
    let checkout = checkout(root);
    let rules = described(findings);
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut location = json!({ "artifactLocation": { "uri": uri(finding, checkout) } });
            if let Some(line) = finding.line {
                location["region"] = json!({ "startLine": line });
            }
            json!({
                "ruleId": rule(finding),
                "level": if is_warning(finding) { "warning" } else { "error" },
                "message": { "text": format!("{}. {}", finding.message, finding.hint) },
                "locations": [{ "physicalLocation": location }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "dbm", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

/// Workflow commands of GitHub's actions:
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
pub(crate) fn github(findings: &[Finding], root: &Path) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let checkout = checkout(root);
    let mut text = String::new();
    for finding in findings {
        let level = if is_warning(finding) { "warning" } else { "error" };
        let line = finding.line.map_or(String::new(), |line| format!(",line={line}"));
        text.push_str(&format!(
            "::{level} file={}{line},title={}::{}%0A{}\n",
            property(&place(finding, checkout)),
            property(&rule(finding)),
            escaped(&finding.message),
            escaped(&finding.hint)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &Path) -> Finding {
        Finding {
            rule: Rule::Statement("ban-drop-table"),
            path: path.to_owned(),
            line: Some(3),
            message: "50%, so:\nthe table a goes".to_owned(),
            hint: "rename it".to_owned(),
        }
    }

    /// The places of the results, and the one in an annotation.
    fn places(path: &Path, root: &Path) -> (String, String) {
        let findings = [finding(path)];
        let sarif = sarif(&findings, root);
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
        let annotation = github(&findings, root);
        let file = annotation.split_once("file=").unwrap().1.split_once(',').unwrap().0;
        (place["uri"].as_str().unwrap().to_owned(), file.to_owned())
    }

    #[test]
    fn files_are_named_from_the_root_of_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("back end");
        std::fs::create_dir(&root).unwrap();
        let file = root.join("migrations/001_a b%c,é.sql");
        let named = |place: &str, plain: &str| (place.to_owned(), plain.to_owned());
        assert_eq!(
            places(&file, &root),
            named("migrations/001_a%20b%25c%2C%C3%A9.sql", "migrations/001_a b%25c%2Cé.sql")
        );
        // A project need not be all of a checkout.
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(
            places(&file, &root),
            named(
                "back%20end/migrations/001_a%20b%25c%2C%C3%A9.sql",
                "back end/migrations/001_a b%25c%2Cé.sql"
            )
        );
        // A folder beside the project's own is part of the checkout, whether the file is still there or not.
        std::fs::create_dir(folder.path().join("sql")).unwrap();
        std::fs::write(folder.path().join("sql/001.sql"), "").unwrap();
        for name in ["001.sql", "002.sql"] {
            let place = format!("sql/{name}");
            assert_eq!(places(&root.join("../sql").join(name), &root), named(&place, &place));
        }
        assert_eq!(places(Path::new("/else/001.sql"), &root), named("file:///else/001.sql", "/else/001.sql"));
    }

    #[test]
    fn an_annotation_is_one_line() {
        let text = github(&[finding(Path::new("a.sql"))], Path::new("/none"));
        assert_eq!(
            text,
            "::warning file=a.sql,line=3,title=ban-drop-table::50%25, so:%0Athe table a goes%0Arename it\n"
        );
    }
}
