use super::defaults::readable;
use super::reader::Reader;
use super::text::{Create, without_database, without_implied_collation};
use super::{id, id_of};
use crate::mysql::Flavour;
use crate::{Column, Engine, Error, ErrorKind, Kind, NotCarried, Object, Result, Section, Table, quote};

/// Engines whose rows are elsewhere, or which are a view of other tables.
const ELSEWHERE: [&str; 6] = ["FEDERATED", "CONNECT", "SPIDER", "S3", "OQGRAPH", "NDBCLUSTER"];
const WITHOUT_ROWS: [&str; 3] = ["MRG_MYISAM", "MERGE", "BLACKHOLE"];

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let odd_names = odd_key_names(reader).await?;
    for found in reader.list("BASE TABLE").into_iter().chain(reader.list("SYSTEM VERSIONED")) {
        let versioned = found.kind == "SYSTEM VERSIONED";
        let quoted = quote::identifier(Engine::Mysql, &found.name);
        let text = created(reader, &quoted).await?;
        let text =
            odd_names.iter().filter(|(table, _)| *table == found.name).fold(text, |text, (_, name)| {
                let printed = format!("CONSTRAINT `{name}` FOREIGN KEY");
                text.replace(
                    &printed,
                    &format!("CONSTRAINT {} FOREIGN KEY", quote::identifier(Engine::Mysql, name)),
                )
            });
        if let Some(why) = refused(&found.engine, &text) {
            reader.refuse(format!("table {}", found.name), why);
            continue;
        }
        // The default of a column may ask a sequence, which is shown with its database.
        let mut create = Create::read(&without_database(&text, reader.database, "", text.len())?)?;
        if reader.connection.flavour() == Flavour::MySql {
            for clause in &mut create.clauses {
                *clause = without_implied_collation(clause)?;
            }
        }
        let counter = create.take_counter()?;
        let keys = create.take_foreign_keys()?;
        let mut columns = reader.columns.get(&found.name).cloned().unwrap_or_default();
        let implicit =
            versioned && !create.clauses.iter().any(|clause| clause.starts_with("PERIOD FOR SYSTEM_TIME"));
        if implicit {
            columns.extend(["row_start", "row_end"].map(period));
        }
        if versioned && columns.iter().any(|column| is_transaction_number(column, &create)) {
            reader.refuse(
                format!("table {}", found.name),
                "its history is told by numbers of transactions, which no other server has",
            );
            continue;
        }
        let engine = found.engine.to_ascii_uppercase();
        let table = id(Kind::Table, &found.name);
        for (name, clause) in keys {
            reader.schema.objects.push(Object {
                id: id_of(Kind::ForeignKey, &found.name, &name),
                section: Section::PostData,
                definition: format!("ALTER TABLE {quoted} ADD {clause};\n"),
                depends_on: vec![table.clone()],
                ..reader.empty()
            });
        }
        reader.schema.objects.push(Object {
            id: table,
            definition: format!("{};\n", create.text()),
            table: Some(Box::new(Table {
                columns,
                holds_rows: !WITHOUT_ROWS.contains(&engine.as_str()),
                bytes: found.bytes,
                filter: versioned.then(|| "FOR SYSTEM_TIME ALL".to_owned()),
                next: counter,
                ..Table::default()
            })),
            ..reader.empty()
        });
    }
    Ok(())
}

/// What `SHOW CREATE TABLE` shows of a table.
async fn created(reader: &mut Reader<'_>, quoted: &str) -> Result<String> {
    let wrong = |what: &str| Error::new(ErrorKind::Internal, format!("{what} {quoted}"));
    let sql = format!("SHOW CREATE TABLE {quoted}");
    let rows = reader.connection.rows(&sql, "").await?;
    let bytes = rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten());
    let bytes = bytes.ok_or_else(|| wrong("the server shows no CREATE TABLE for"))?;
    readable(bytes).ok_or_else(|| wrong("the server shows what is not UTF-8 in the CREATE TABLE of"))
}

/// The foreign keys with a backtick in their name, with their tables: MariaDB 11 prints it as it is, as if the name
/// ended there.
async fn odd_key_names(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT table_name, constraint_name FROM information_schema.table_constraints
          WHERE {} AND constraint_type = 'FOREIGN KEY' AND constraint_name LIKE '%`%'",
        reader.own("table_schema")
    );
    let rows = reader.connection.query(&sql, "cannot read the foreign keys").await?;
    let pair = |row: Vec<Option<String>>| {
        let [table, name] = <[Option<String>; 2]>::try_from(row).ok()?;
        Some((table?, name?))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

fn refused(engine: &str, text: &str) -> Option<&'static str> {
    if ELSEWHERE.contains(&engine.to_ascii_uppercase().as_str()) {
        return Some("its rows are kept outside of the server");
    }
    // Of a plugin that is gone, or a table that is broken.
    (engine.is_empty() || text.is_empty()).then_some("the server cannot open it")
}

fn period(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type: "timestamp(6)".to_owned(),
        not_null: true,
        default: None,
        generated: None,
    }
}

fn is_transaction_number(column: &Column, create: &Create) -> bool {
    let quoted = quote::identifier(Engine::Mysql, &column.name);
    column.data_type.starts_with("bigint")
        && create
            .clauses
            .iter()
            .any(|clause| clause.starts_with(&quoted) && clause.contains("GENERATED ALWAYS AS ROW "))
}

impl Reader<'_> {
    pub(super) fn refuse(&mut self, what: String, why: &str) {
        self.schema.refused.push(NotCarried::new(what, why));
    }
}
