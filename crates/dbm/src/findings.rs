//! What `check` found, for people, for code scanning and for a build's annotations.

use std::collections::BTreeSet;
use std::path::Path;

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

/// The file as those want it who have the checkout: relative to its root, with `/` between.
fn place(finding: &Finding, root: &Path) -> String {
    let path = finding.path.strip_prefix(root).unwrap_or(&finding.path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
pub(crate) fn sarif(findings: &[Finding], root: &Path) -> Value {
    let rules: BTreeSet<String> = findings.iter().map(rule).collect();
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut location = json!({ "artifactLocation": { "uri": place(finding, root) } });
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
    let mut text = String::new();
    for finding in findings {
        let level = if is_warning(finding) { "warning" } else { "error" };
        let line = finding.line.map_or(String::new(), |line| format!(",line={line}"));
        text.push_str(&format!(
            "::{level} file={}{line},title={}::{}%0A{}\n",
            property(&place(finding, root)),
            property(&rule(finding)),
            escaped(&finding.message),
            escaped(&finding.hint)
        ));
    }
    text
}
