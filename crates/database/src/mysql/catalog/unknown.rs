use super::reader::Reader;
use crate::mysql::Flavour;
use crate::{NotCarried, Result};

/// Kinds of objects that no definition here carries: named, and refused or told.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let own = reader.literal();
    let (flavour, release) = (reader.connection.flavour(), reader.connection.release());
    if flavour == Flavour::MySql && release >= (9, 0) {
        let sql =
            format!("SELECT library_name FROM information_schema.libraries WHERE library_schema = {own}");
        // Servers before 9.2 have no such view.
        let found = reader.connection.query(&sql, "").await.unwrap_or_default();
        for name in found.into_iter().flatten().flatten() {
            reader.refuse(format!("library {name}"), "dbm does not carry libraries yet");
        }
    }
    if flavour == Flavour::MySql && release >= (8, 0) {
        let sql = format!(
            "SELECT table_name, column_name FROM information_schema.column_statistics WHERE schema_name = {own}"
        );
        for row in reader.connection.query(&sql, "cannot read the histograms").await? {
            let names: Vec<String> = row.into_iter().flatten().collect();
            reader.schema.left_out.push(NotCarried::new(
                format!("histogram of {}", names.join(".")),
                "the server makes it anew: ANALYZE TABLE … UPDATE HISTOGRAM",
            ));
        }
    }
    Ok(())
}
