use super::id;
use super::reader::Reader;
use super::wrap::Under;
use crate::{Engine, Error, ErrorKind, Kind, Object, Result, Section, quote};

/// Functions, procedures, and MariaDB's packages.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let sql = format!(
        "SELECT routine_type, routine_name, database_collation FROM information_schema.routines
          WHERE {} ORDER BY routine_type, routine_name",
        reader.own("routine_schema")
    );
    for row in reader.connection.query(&sql, "cannot read the routines").await? {
        let Ok([Some(word), Some(name), then]) = <[Option<String>; 3]>::try_from(row) else { continue };
        let kind = match word.as_str() {
            "FUNCTION" => Kind::Function,
            "PROCEDURE" => Kind::Procedure,
            "PACKAGE" => Kind::Package,
            "PACKAGE BODY" => Kind::PackageBody,
            _ => {
                reader.refuse(
                    format!("{} {name}", word.to_lowercase()),
                    "dbm does not know routines of that kind",
                );
                continue;
            }
        };
        let quoted = quote::identifier(Engine::Mysql, &name);
        // Routine, mode, text, client's character set, connection's collation, database's collation.
        let row = reader.row(&format!("SHOW CREATE {word} {quoted}")).await?;
        let [_, mode, Some(text), client, connection] = row.get(..5).unwrap_or_default() else {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("the account may not see the body of {} {name}", word.to_lowercase()),
            )
            .with_hint("GRANT SHOW CREATE ROUTINE (MariaDB 11.3), SHOW_ROUTINE (MySQL 8.0.20) or SELECT ON mysql.proc lets it"));
        };
        let under = Under {
            mode: mode.clone(),
            charset: client.clone().zip(connection.clone()),
            time_zone: None,
            database: reader.collation_then(then.clone()),
            is_over: false,
        };
        reader.note_recoding(&under, text, &format!("{} {name}", word.to_lowercase()));
        let depends_on = match kind {
            Kind::PackageBody => vec![id(Kind::Package, &name)],
            _ => Vec::new(),
        };
        reader.schema.objects.push(Object {
            id: id(kind, &name),
            section: Section::PostData,
            definition: under.wrap(text),
            depends_on,
            ..reader.empty()
        });
    }
    Ok(())
}
