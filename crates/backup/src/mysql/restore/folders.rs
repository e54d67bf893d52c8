//! Tables whose files lie in a folder of their own (`DATA DIRECTORY`): a second table of the name cannot lie there on some
//! engines, and a rename into another database leaves files behind that keep the old one from being dropped.

use database::mysql::{Connection, Flavour, is_database};
use database::{Engine, Kind, quote, script};

use super::preflight::finding;
use crate::Result;
use crate::archive::{Archive, Aspect};
use crate::restore::Preflight;

/// Tells of them in an archive, and in the database whose place it takes.
pub(super) async fn check(
    connection: &mut Connection,
    archive: &Archive,
    target: Option<&str>,
    preflight: &mut Preflight,
) -> Result<()> {
    let mut found = of_archive(archive).await?;
    if let Some(target) = target {
        found.extend(of_target(connection, target).await?);
    }
    found.sort();
    found.dedup();
    if !found.is_empty() {
        preflight.problems.push(finding(
            format!("tables lie in folders of their own (DATA DIRECTORY), out of which no rename takes them: {}", found.join(", ")),
            "make them anew without it before a run; an archive that has them is restored by the stock client, into a new \
             database",
        ));
    }
    Ok(())
}

async fn of_target(connection: &mut Connection, target: &str) -> Result<Vec<String>> {
    let what = "cannot look where tables lie";
    let with = |condition: &str| {
        format!(
            "SELECT table_name FROM information_schema.tables WHERE {} AND {condition} ORDER BY 1",
            is_database("table_schema", target)
        )
    };
    let there = connection.query(&with("create_options LIKE '%DIRECTORY=%'"), what).await?;
    let mut found: Vec<String> = there.into_iter().flatten().flatten().collect();
    // Of a partition only the definition says it, and on MySQL of any table.
    let unsaid = match connection.flavour() {
        Flavour::MariaDb => "create_options LIKE '%partitioned%'",
        Flavour::MySql => "table_type = 'BASE TABLE'",
    };
    for table in connection.query(&with(unsaid), what).await?.into_iter().flatten().flatten() {
        let sql = format!("SHOW CREATE TABLE {}", quote::qualified(Engine::Mysql, &[target, &table]));
        let shown = connection.query(&sql, what).await?;
        let definition = shown.first().and_then(|row| row.get(1)?.as_deref());
        if definition.is_some_and(|definition| in_its_own(definition).is_some()) {
            found.push(table);
        }
    }
    Ok(found)
}

async fn of_archive(archive: &Archive) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        if part.aspect != Aspect::Definition || !part.objects.iter().any(|id| id.kind == Kind::Table) {
            continue;
        }
        let text = String::from_utf8_lossy(&archive.part(number).await?).into_owned();
        if !text.contains(" DIRECTORY") {
            continue;
        }
        let statements = script::split(Engine::Mysql, &text)?;
        names.extend(statements.iter().filter_map(|statement| in_its_own(statement.text)));
    }
    Ok(names)
}

/// The name of a table that a statement makes in a folder of its own.
fn in_its_own(statement: &str) -> Option<String> {
    let lexemes = script::lexemes(Engine::Mysql, statement).ok()?;
    if !(lexemes.first()?.is("CREATE") && lexemes.get(1)?.is("TABLE")) {
        return None;
    }
    let folder =
        |pair: &[script::Lexeme<'_>]| (pair[0].is("DATA") || pair[0].is("INDEX")) && pair[1].is("DIRECTORY");
    lexemes.windows(2).any(folder).then(|| lexemes.get(2)?.identifier())?
}

#[cfg(test)]
mod tests {
    use super::in_its_own;

    #[test]
    fn what_lies_in_a_folder_of_its_own() {
        let of = |rest: &str| {
            in_its_own(&format!("CREATE TABLE `a``b` (\n  `DATA` int COMMENT 'DATA DIRECTORY='\n){rest}"))
        };
        assert_eq!(of(" ENGINE=InnoDB DATA DIRECTORY='/x/'").as_deref(), Some("a`b"));
        assert_eq!(of("\n PARTITION BY RANGE (`a`)\n(PARTITION `p` VALUES LESS THAN (1) DATA DIRECTORY = '/x' ENGINE = InnoDB)").as_deref(), Some("a`b"));
        assert_eq!(of(" ENGINE=MyISAM INDEX DIRECTORY='/x/'").as_deref(), Some("a`b"));
        assert_eq!(of(" COMMENT='INDEX DIRECTORY'"), None);
        assert_eq!(in_its_own("ALTER TABLE `t` COMMENT 'x'"), None);
    }
}
