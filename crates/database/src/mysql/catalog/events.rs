use super::id;
use super::reader::Reader;
use super::text::disabled;
use super::wrap::Under;
use crate::{Engine, Error, ErrorKind, Kind, Object, Result, Section, quote};

/// Events are made switched off, so that none fires in a database that is not whole yet, and switched on last.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let sql = format!(
        "SELECT event_name, definer, CONVERT_TZ(COALESCE(execute_at, ends), time_zone, '+00:00') <= UTC_TIMESTAMP()
           FROM information_schema.events WHERE {} ORDER BY event_name",
        reader.own("event_schema")
    );
    for row in reader.connection.query(&sql, "cannot read the events").await? {
        let Ok([Some(name), definer, is_over]) = <[Option<String>; 3]>::try_from(row) else { continue };
        let quoted = quote::identifier(Engine::Mysql, &name);
        // Event, mode, time zone, text, client's character set, connection's collation, database's collation.
        let row = reader.row(&format!("SHOW CREATE EVENT {quoted}")).await?;
        let [_, mode, time_zone, Some(text), client, connection, then] = row.get(..7).unwrap_or_default()
        else {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("the account may not see the event {name}"),
            )
            .with_hint("GRANT EVENT on the database lets it"));
        };
        let under = Under {
            mode: mode.clone(),
            charset: client.clone().zip(connection.clone()),
            time_zone: time_zone.clone(),
            database: reader.collation_then(then.clone()),
            is_over: is_over.as_deref() == Some("1"),
        };
        reader.note_recoding(&under, text, &format!("event {name}"));
        let event = id(Kind::Event, &name);
        let off = disabled(text, mode.as_deref().unwrap_or_default())?;
        reader.schema.objects.push(Object {
            id: event.clone(),
            section: Section::PostData,
            definition: under.wrap(off.as_deref().unwrap_or(text)),
            ..reader.empty()
        });
        if off.is_some() {
            let definer = definer.as_deref().and_then(|definer| definer.rsplit_once('@'));
            let definer = definer.map_or_else(String::new, |(user, host)| {
                format!(
                    "DEFINER = {}@{} ",
                    quote::identifier(Engine::Mysql, user),
                    quote::identifier(Engine::Mysql, host)
                )
            });
            reader.schema.objects.push(Object {
                id: id(Kind::EventState, &name),
                section: Section::Final,
                definition: under.wrap(&format!("ALTER {definer}EVENT {quoted} ENABLE")),
                depends_on: vec![event],
                ..reader.empty()
            });
        }
    }
    Ok(())
}
