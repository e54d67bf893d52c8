use database::{Engine, Object, quote};

use super::parts::columns;
use super::step::{Statement, Unwritable};

/// What leads from one list of grants and revokes to another, where these columns are dropped and added. Each list begins where
/// the server's own defaults end.
///
/// # Errors
/// One of those that go was given by somebody else than the owner.
pub(super) fn change(
    before: &Object,
    after: &Object,
    made_again: &[String],
) -> Result<Vec<Statement>, Unwritable> {
    // A column that goes takes its own along.
    let gone =
        columns(before).iter().filter(|column| !columns(after).iter().any(|own| own.name == column.name));
    let gone = gone.map(|column| &column.name).chain(made_again);
    let gone: Vec<String> = gone.map(|name| of_column(name)).collect();
    let is_left = |statement: &&String| !gone.iter().any(|column| statement.contains(column));
    let left: Vec<String> = before.privileges.iter().filter(is_left).cloned().collect();
    between(&left, &after.privileges)
}

/// What others may do with these columns, to be given again.
pub(super) fn of_columns(object: &Object, names: &[String]) -> Vec<Statement> {
    let of_columns: Vec<String> = names.iter().map(|name| of_column(name)).collect();
    let is_theirs = |statement: &&String| of_columns.iter().any(|column| statement.contains(column));
    object.privileges.iter().filter(is_theirs).map(Statement::new).collect()
}

/// How a privilege on a column names it.
fn of_column(name: &str) -> String {
    format!("({})", quote::identifier(Engine::Postgres, name))
}

fn between(before: &[String], after: &[String]) -> Result<Vec<Statement>, Unwritable> {
    let mut statements = Vec::new();
    for gone in before.iter().filter(|statement| !after.contains(statement)) {
        let back =
            undone(gone).ok_or_else(|| Unwritable::new("a privilege that goes was given by another role"))?;
        statements.push(Statement::new(back));
    }
    // What was taken above may be part of what stays.
    let again = !statements.is_empty();
    statements.extend(after.iter().filter(|one| again || !before.contains(one)).map(Statement::new));
    Ok(statements)
}

/// The opposite of one grant or revoke.
fn undone(statement: &str) -> Option<String> {
    let text = statement.strip_suffix(";\n")?;
    if let Some(rest) = text.strip_prefix("GRANT ") {
        let rest = rest.strip_suffix(" WITH GRANT OPTION").unwrap_or(rest);
        let (what, whom) = rest.rsplit_once(" TO ")?;
        return Some(format!("REVOKE {what} FROM {whom};\n"));
    }
    let (what, whom) = text.strip_prefix("REVOKE ")?.rsplit_once(" FROM ")?;
    Some(format!("GRANT {what} TO {whom};\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_revoked_and_what_stays_given_again() {
        let list = |texts: &[&str]| texts.iter().map(|text| format!("{text};\n")).collect::<Vec<_>>();
        let before =
            list(&["GRANT SELECT, INSERT ON TABLE t TO a WITH GRANT OPTION", "GRANT SELECT ON TABLE t TO b"]);
        let after = list(&["GRANT SELECT ON TABLE t TO a", "GRANT SELECT ON TABLE t TO b"]);
        let found: Vec<String> = between(&before, &after).unwrap().into_iter().map(|one| one.sql).collect();
        let mut wanted = list(&["REVOKE SELECT, INSERT ON TABLE t FROM a"]);
        wanted.extend(after.clone());
        assert_eq!(found, wanted);
        let revoked = list(&["REVOKE ALL ON FUNCTION f() FROM PUBLIC"]);
        assert_eq!(between(&revoked, &[]).unwrap()[0].sql, "GRANT ALL ON FUNCTION f() TO PUBLIC;\n");
        assert!(between(&list(&["SET ROLE a; GRANT x"]), &[]).is_err());
    }
}
