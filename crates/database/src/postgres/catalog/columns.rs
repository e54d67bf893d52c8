use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;

use super::reader::{Reader, each};
use super::sql::{OURS, get, ident};
use crate::{Column, Generated, Result};

fn query(reader: &Reader<'_>) -> String {
    let compression = reader.since(14, "a.attcompression::text", "''");
    // Until 18 a column that refuses NULL had no constraint with a name.
    let (named, join) = if reader.version >= 180_000 {
        (
            "k.oid AS refusal, k.conname::text AS refusal_name, k.convalidated AS refusal_valid,
            k.connoinherit AS refusal_alone, k.conislocal AS refusal_local",
            "LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]",
        )
    } else {
        ("NULL::oid AS refusal", "")
    };
    format!(
        "SELECT a.attrelid, a.attnum::int4 AS number, a.attname::text AS name,
            format_type(a.atttypid, a.atttypmod) AS data_type, a.attnotnull, a.atttypid,
            CASE WHEN a.attcollation <> t.typcollation
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,
            d.oid AS default_oid, pg_get_expr(d.adbin, d.adrelid) AS expression,
            a.attgenerated::text AS generated, a.attidentity::text AS identity,
            a.attstorage::text AS storage, t.typstorage::text AS type_storage, {compression} AS compression,
            coalesce(a.attstattarget, -1)::int4 AS target, coalesce(a.attoptions, '{{}}') AS options,
            coalesce(a.attfdwoptions, '{{}}') AS foreign_options,
            a.attislocal, {named}
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_collation co ON co.oid = a.attcollation
            LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            {join}
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'c', 'f') AND {OURS}
         ORDER BY a.attrelid, a.attnum"
    )
}

/// One column as the catalogs have it.
#[derive(Clone, Debug)]
pub(super) struct ColumnRow {
    pub(super) number: i32,
    pub(super) name: String,
    pub(super) data_type: Arc<str>,
    pub(super) type_oid: u32,
    pub(super) not_null: bool,
    pub(super) collation: Option<Arc<str>>,
    pub(super) default_oid: Option<u32>,
    pub(super) expression: Option<String>,
    pub(super) generated: Option<char>,
    pub(super) identity: Option<char>,
    pub(super) storage: Option<char>,
    pub(super) type_storage: Option<char>,
    pub(super) compression: Option<char>,
    pub(super) target: i32,
    pub(super) options: Vec<String>,
    pub(super) foreign_options: Vec<String>,
    pub(super) local: bool,
    pub(super) refusal: Option<Refusal>,
}

/// The constraint by which a column refuses NULL.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) valid: bool,
    /// Whether heirs do not get it.
    pub(super) alone: bool,
    pub(super) local: bool,
}

impl Refusal {
    /// What stands for it in the definition of a table's column. The name always does: the one that the server gives
    /// is another where a constraint of another table, such as a partition, has it already.
    pub(super) fn text(&self) -> String {
        let alone = if self.alone { " NO INHERIT" } else { "" };
        format!(" CONSTRAINT {} NOT NULL{alone}", ident(&self.name))
    }
}

impl ColumnRow {
    pub(super) fn collate(&self) -> String {
        self.collation.as_ref().map_or_else(String::new, |collation| format!(" COLLATE {collation}"))
    }

    /// With its name alone where that is enough.
    fn model(&self, bare: bool) -> Column {
        let generated = match self.generated {
            Some('s') => Some(Generated::Stored),
            Some('v') => Some(Generated::Virtual),
            _ => None,
        };
        Column {
            name: self.name.clone(),
            data_type: if bare { String::new() } else { self.data_type.to_string() },
            not_null: self.not_null,
            default: self.expression.clone().filter(|_| generated.is_none() && !bare),
            generated,
        }
    }
}

/// The columns of all tables, views and composite types, by the relation's number.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: HashMap<u32, Vec<ColumnRow>>,
    /// Of relations that are forgotten, the names that are asked for later.
    names: HashMap<(u32, i32), String>,
    bare: bool,
}

impl Columns {
    pub(super) fn rows(&self, relation: u32) -> &[ColumnRow] {
        self.rows.get(&relation).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of(&self, relation: u32) -> Vec<Column> {
        self.rows(relation).iter().map(|column| column.model(self.bare)).collect()
    }

    pub(super) fn name(&self, relation: u32, number: i32) -> Option<&str> {
        let row = self.rows(relation).iter().find(|column| column.number == number);
        row.map(|column| &column.name).or_else(|| self.names.get(&(relation, number))).map(String::as_str)
    }

    /// Lets go of a table's columns, of which the table has all by now, but for the names of some.
    pub(super) fn forget(&mut self, relation: u32, but: impl Fn(i32) -> bool) {
        let rows = self.rows.remove(&relation).unwrap_or_default();
        let named = rows.into_iter().filter(|column| but(column.number));
        self.names.extend(named.map(|column| ((relation, column.number), column.name)));
    }

    /// Takes in all columns of a relation.
    fn close(&mut self, (relation, mut rows): (u32, Vec<ColumnRow>)) {
        if !rows.is_empty() {
            rows.shrink_to_fit();
            self.rows.insert(relation, rows);
        }
    }

    /// Takes the options of each column that match out.
    pub(super) fn retain_options(&mut self, relation: u32, keep: impl Fn(&str) -> bool) {
        for column in self.rows.entry(relation).or_default() {
            column.options.retain(|option| keep(option));
        }
    }
}

pub(super) async fn read(reader: &Reader<'_>) -> Result<Columns> {
    let mut columns = Columns { bare: reader.bare, ..Columns::default() };
    let mut names = Names::default();
    // Those of a relation come one after the other.
    let mut open = (0, Vec::new());
    each(reader.client, "columns", &query(reader), |row| {
        let relation = get(row, "attrelid")?;
        if open.0 != relation {
            columns.close(std::mem::replace(&mut open, (relation, Vec::new())));
        }
        open.1.push(column(row, &mut names)?);
        Ok(())
    })
    .await?;
    columns.close(open);
    Ok(columns)
}

fn column(row: &Row, names: &mut Names) -> Result<ColumnRow> {
    let refusal = match get::<Option<u32>>(row, "refusal")? {
        Some(oid) => Some(Refusal {
            oid,
            name: get(row, "refusal_name")?,
            valid: get(row, "refusal_valid")?,
            alone: get(row, "refusal_alone")?,
            local: get(row, "refusal_local")?,
        }),
        None => None,
    };
    Ok(ColumnRow {
        number: get(row, "number")?,
        name: get(row, "name")?,
        data_type: names.one(get(row, "data_type")?),
        type_oid: get(row, "atttypid")?,
        not_null: get(row, "attnotnull")?,
        collation: get::<Option<&str>>(row, "collation")?.map(|name| names.one(name)),
        default_oid: get(row, "default_oid")?,
        expression: get(row, "expression")?,
        generated: letter(row, "generated")?,
        identity: letter(row, "identity")?,
        storage: letter(row, "storage")?,
        type_storage: letter(row, "type_storage")?,
        compression: letter(row, "compression")?,
        target: get(row, "target")?,
        options: get(row, "options")?,
        foreign_options: get(row, "foreign_options")?,
        local: get(row, "attislocal")?,
        refusal,
    })
}

/// A value of the catalogs' type `"char"`; `None` where it is empty.
fn letter(row: &Row, column: &str) -> Result<Option<char>> {
    Ok(get::<&str>(row, column)?.chars().next())
}

/// Names that many columns share, each kept once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn one(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}
