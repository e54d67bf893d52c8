use super::id;
use super::reader::Reader;
use super::text::{tables_of, without_database};
use super::wrap::Under;
use crate::{Engine, Error, ErrorKind, Kind, NotCarried, Object, Result, Section, quote};

const BROKEN: &str = "it is broken: something that it is made of is gone, or the account in whose name it acts is, or lacks a right";

/// A view is made twice: first with its columns only, so that others can be made of it, at the end as it is.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let views = reader.list("VIEW");
    for found in &views {
        let quoted = quote::identifier(Engine::Mysql, &found.name);
        let row = match reader.row(&format!("SHOW CREATE VIEW {quoted}")).await {
            Ok(row) => row,
            Err(error) if error.kind() == ErrorKind::Statement => {
                reader.refuse(format!("view {}", found.name), &format!("it is broken: {error}"));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Permission => {
                let message = format!("the account may not see the text of view {}", found.name);
                return Err(Error::new(ErrorKind::Permission, message)
                    .with_hint("GRANT SHOW VIEW on the database lets it")
                    .with_source(error));
            }
            Err(error) => return Err(error),
        };
        let [_, Some(text), client, connection] = row.get(..4).unwrap_or_default() else {
            reader.refuse(format!("view {}", found.name), "the account may not see its text (SHOW VIEW)");
            continue;
        };
        let columns = reader.columns.get(&found.name).cloned().unwrap_or_default();
        if columns.is_empty() {
            let what = format!("view {}", found.name);
            if is_broken(reader, &quoted).await? {
                reader.schema.broken.push(NotCarried::new(what, BROKEN));
            } else {
                reader.refuse(what, "it is broken, or the account may not read all that it is made of");
            }
            continue;
        }
        // The server looks at the columns and at the kind of what a view is made of, and a placeholder has neither.
        let of: Vec<String> = tables_of(text, reader.database)?;
        let of = views.iter().filter(|view| view.name != found.name && of.contains(&view.name));
        let of = of.map(|view| id(Kind::ViewBody, &view.name));
        let named: Vec<String> = columns
            .iter()
            .map(|column| format!("1 AS {}", quote::identifier(Engine::Mysql, &column.name)))
            .collect();
        let body = without_database(text, reader.database, "", text.len())?;
        let under = Under { charset: client.clone().zip(connection.clone()), ..Under::default() };
        reader.note_recoding(&under, &body, &format!("view {}", found.name));
        let view = id(Kind::View, &found.name);
        reader.schema.objects.push(Object {
            id: view.clone(),
            definition: format!("CREATE VIEW {quoted} AS SELECT {};\n", named.join(", ")),
            table: Some(Box::new(crate::Table { columns, ..crate::Table::default() })),
            ..reader.empty()
        });
        reader.schema.objects.push(Object {
            id: id(Kind::ViewBody, &found.name),
            section: Section::PostData,
            definition: format!("DROP VIEW IF EXISTS {quoted};\n{}", under.wrap(&body)),
            depends_on: std::iter::once(view.clone()).chain(of).collect(),
            ..reader.empty()
        });
    }
    Ok(())
}

/// Whether nobody can use a view of which no columns are told, so that the server would not let it be made again either. Where
/// only we may not use it, MariaDB says so: what it lets nobody use has a number of its own (`ER_VIEW_INVALID`).
async fn is_broken(reader: &mut Reader<'_>, quoted: &str) -> Result<bool> {
    match reader.row(&format!("SHOW COLUMNS FROM {quoted}")).await {
        Err(error) if error.kind() == ErrorKind::Connection => Err(error),
        Err(error) => Ok(error.to_string().ends_with("(error 1356)")),
        Ok(_) => Ok(false),
    }
}
