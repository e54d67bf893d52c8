use super::reader::Reader;
use super::{RESTARTED, ROUND, id};
use crate::{Engine, Kind, Object, Result, Table, quote};

/// MariaDB's sequences. What one gives next is read without asking it for it, so that nothing of its cache is lost.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for found in reader.list("SEQUENCE") {
        let quoted = quote::identifier(Engine::Mysql, &found.name);
        let text = reader.show(&format!("SHOW CREATE SEQUENCE {quoted}"), 1).await?.unwrap_or_default();
        // Below its start is one that began anew: by itself, in another round, or by `ALTER SEQUENCE … RESTART`.
        let next = format!(
            "SELECT CONCAT(next_not_cached_value, CASE WHEN cycle_count > 0 THEN CONCAT('{ROUND}', cycle_count)
               WHEN IF(increment < 0, next_not_cached_value > start_value, next_not_cached_value < start_value)
               THEN '{RESTARTED}' ELSE '' END) FROM {quoted}"
        );
        let next = reader.connection.value(&next, "cannot read a sequence").await?;
        reader.schema.objects.push(Object {
            id: id(Kind::Sequence, &found.name),
            definition: format!("{text};\n"),
            table: Some(Box::new(Table { next, ..Table::default() })),
            ..reader.empty()
        });
    }
    Ok(())
}
