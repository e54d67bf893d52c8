use super::reader::Reader;
use super::text::{trigger_body, without_database};
use super::wrap::Under;
use super::{id, id_of};
use crate::{Engine, Kind, Object, ObjectId, Result, Section, quote};

/// Triggers in the order in which they fire: made in that order, they fire in it again.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let sql = format!(
        "SELECT event_object_table, trigger_name, event_manipulation, action_timing, sql_mode, character_set_client,
                collation_connection, database_collation
           FROM information_schema.triggers WHERE {}
          ORDER BY CAST(event_object_table AS BINARY), action_timing, event_manipulation, action_order",
        reader.own("event_object_schema")
    );
    let mut before: Option<(ObjectId, [String; 2])> = None;
    for row in reader.connection.query(&sql, "cannot read the triggers").await? {
        let Ok([Some(table), Some(name), event, timing, mode, client, connection, then]) =
            <[Option<String>; 8]>::try_from(row)
        else {
            continue;
        };
        let quoted = quote::identifier(Engine::Mysql, &name);
        let text = reader.show(&format!("SHOW CREATE TRIGGER {quoted}"), 2).await?;
        let Some(text) = text else {
            reader.refuse(format!("trigger {name}"), "the account may not see its text (TRIGGER)");
            continue;
        };
        // What is in its body was written by people, and may say what it likes of other databases.
        let quoting = mode.as_deref().unwrap_or_default();
        let text = without_database(&text, reader.database, quoting, trigger_body(&text, quoting)?)?;
        let database = reader.collation_then(then);
        let under = Under { mode, charset: client.zip(connection), database, ..Under::default() };
        reader.note_recoding(&under, &text, &format!("trigger {name}"));
        let own = id_of(Kind::Trigger, &table, &name);
        let moment = [event.unwrap_or_default(), timing.unwrap_or_default()];
        let mut depends_on = vec![id(Kind::Table, &table)];
        if let Some((last, at)) = before.filter(|(last, at)| last.of == table && *at == moment) {
            depends_on.push(last);
            debug_assert_eq!(at, moment);
        }
        reader.schema.objects.push(Object {
            id: own.clone(),
            section: Section::PostData,
            definition: under.wrap(&text),
            depends_on,
            ..reader.empty()
        });
        before = Some((own, moment));
    }
    Ok(())
}
