use std::str::FromStr;

use backup::{Error, ErrorKind, Result};
use database::{Kind, Object, ObjectId, Schema};

use super::GenerateOptions;
use super::bench::Bench;
use super::parts::columns;
use super::step::{Between, Dialect, Style};
use super::words;

/// Something that is there under another name: `item=product`, `shop.item.title=name`. A name that has a dot or an equals
/// sign in it stands in quotes: `"a.b"=c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The name that it has, with as much before it as tells it apart.
    pub from: String,
    /// The name that is wanted.
    pub to: String,
}

impl FromStr for Rename {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sign = words::outside_quotes(text, '=').next();
        let parts = sign.map(|at| (&text[..at], &text[at + 1..]));
        let parts = parts.filter(|(from, to)| !from.trim().is_empty() && !to.trim().is_empty());
        let (from, to) = parts.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("`{text}` is no rename"))
                .with_hint("write OLD=NEW, for example item=product, or item.title=name for a column")
        })?;
        Ok(Self { from: from.trim().to_owned(), to: to.trim().to_owned() })
    }
}

/// Something that is gone while something like it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// What is gone.
    pub gone: String,
    /// What is new, and may be it.
    pub new: Vec<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is dropped.
    Dropped,
    /// It got this name, one of the new ones.
    Renamed(String),
}

/// What was renamed in a copy of what is there.
pub(super) struct Renamed {
    /// The statements, in order.
    pub(super) up: Vec<String>,
    /// Those that take them back, in order.
    pub(super) down: Vec<String>,
    /// What is there after them.
    pub(super) schema: Schema,
}

/// Renames in the copy what was renamed, by what was said and by asking, until nothing is unclear.
pub(super) async fn settle(
    bench: &mut Bench<'_>,
    dialect: &dyn Dialect,
    before: &Schema,
    wanted: &Schema,
    options: &GenerateOptions,
    ask: &(dyn Fn(&Unclear) -> Option<Answer> + Sync),
) -> Result<Renamed> {
    let mut renamed = Renamed { up: Vec::new(), down: Vec::new(), schema: before.clone() };
    let mut dropped = options.dropped.clone();
    let mut names = Vec::new();
    for rename in &options.renames {
        follow(&mut names, &renamed.schema, rename)?;
        Box::pin(apply(bench, dialect, &mut renamed, rename)).await?;
    }
    for name in &names {
        is_wanted(wanted, name)?;
    }
    for name in &options.dropped {
        goes(&renamed.schema, wanted, name)?;
    }
    while let Some(found) = unclear(&renamed.schema, wanted, &dropped) {
        match ask(&found) {
            Some(Answer::Dropped) => dropped.push(found.gone),
            Some(Answer::Renamed(to)) => {
                Box::pin(apply(bench, dialect, &mut renamed, &Rename { from: found.gone, to })).await?;
            }
            None => {
                let (gone, new) = (&found.gone, &found.new);
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!(
                        "{gone} is gone, and {} is new: it was dropped, or got another name",
                        new.join(", ")
                    ),
                )
                .with_hint(format!("say which: --rename '{gone}={}', or --drop '{gone}'", new[0])));
            }
        }
    }
    while let Some((id, to)) = dialect.renamed_along(&renamed.schema, wanted) {
        let from = renamed.schema.get(&id);
        let missing = || Error::new(ErrorKind::Internal, format!("{id} is not there to be renamed"));
        let up = from.and_then(|object| dialect.rename(object, None, &to)).ok_or_else(missing)?;
        Box::pin(bench.run(&up, &format!("{id} cannot be renamed to {to}"))).await?;
        renamed.schema = bench.schema().await?;
        let now = ObjectId { name: to, ..id.clone() };
        let back = renamed.schema.get(&now).and_then(|object| dialect.rename(object, None, &id.name));
        let back = back.ok_or_else(missing)?;
        bench.set_rollback(0, &back);
        renamed.up.push(up);
        renamed.down.insert(0, back);
    }
    Ok(renamed)
}

/// Something that is renamed: what it is called so far, and the last that was said about it.
struct Name<'r> {
    id: ObjectId,
    column: Option<String>,
    rename: &'r Rename,
}

/// Follows the names through one more rename: a swap goes through a name that is in the end nothing's.
fn follow<'r>(names: &mut Vec<Name<'r>>, before: &Schema, rename: &'r Rename) -> Result<()> {
    let (object, column) = named(before, &rename.from)?;
    let to = new_name(&object.id, column.as_deref(), &rename.to)?;
    if !names.iter().any(|name| name.id == object.id && name.column == column) {
        names.push(Name { id: object.id.clone(), column: column.clone(), rename });
    }
    for name in names.iter_mut().filter(|name| name.id == object.id) {
        if name.column == column {
            name.rename = rename;
        }
        match &column {
            None => name.id.name.clone_from(&to),
            Some(_) if name.column == column => name.column = Some(to.clone()),
            Some(_) => {}
        }
    }
    Ok(())
}

/// The refusal where nothing that is wanted is called so: what was renamed to it would be dropped after that.
fn is_wanted(wanted: &Schema, name: &Name<'_>) -> Result<()> {
    let rename = name.rename;
    let has = |other: &Object| columns(other).iter().any(|own| Some(&own.name) == name.column.as_ref());
    let is_there = match (&name.column, wanted.get(&name.id)) {
        (None, there) => there.is_some(),
        (Some(_), Some(other)) => has(other),
        // Its table may get another name as well.
        (Some(_), None) => wanted.objects.iter().any(has),
    };
    if is_there {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("what is wanted has nothing called {}, the new name of {}", rename.to, rename.from),
    )
    .with_hint("write the name as it is in what is wanted"))
}

/// The refusal where what is said to be dropped is not there, or stays.
fn goes(before: &Schema, wanted: &Schema, name: &str) -> Result<()> {
    let (object, column) = named(before, name)?;
    let stays = wanted.get(&object.id).is_some_and(|other| {
        column.as_ref().is_none_or(|column| columns(other).iter().any(|own| own.name == *column))
    });
    if !stays {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("{name} is not dropped: what is wanted has it"))
        .with_hint("leave out that --drop"))
}

async fn apply(
    bench: &mut Bench<'_>,
    dialect: &dyn Dialect,
    renamed: &mut Renamed,
    rename: &Rename,
) -> Result<()> {
    let (object, column) = named(&renamed.schema, &rename.from)?;
    let to = new_name(&object.id, column.as_deref(), &rename.to)?;
    let unknown = || {
        Error::new(ErrorKind::Refused, format!("dbm writes no rename of {}", object.id))
            .with_hint("write it by hand: `dbm new NAME` makes the files")
    };
    let up = dialect.rename(object, column.as_deref(), &to).ok_or_else(unknown)?;
    let what = format!("{} cannot be renamed to {to}", rename.from);
    let id = object.id.clone();
    // Views and triggers that do not follow it go before, and are made by the steps that come after.
    let style = Style { apart: false, privileges: false };
    let between = Between { old: &renamed.schema, new: &renamed.schema, style };
    let broken = dialect.broken_by_rename(object, column.as_deref(), &renamed.schema);
    let mut drops = String::new();
    let mut creates = String::new();
    for view in &broken {
        let dropped = dialect.drop(view, between).map_err(|_| unknown())?;
        drops.insert_str(0, &dropped.into_iter().map(|statement| statement.sql).collect::<String>());
        creates.extend(dialect.create(view, between).into_iter().map(|statement| statement.sql));
    }
    let up = drops + &up;
    Box::pin(bench.run(&up, &what)).await?;
    renamed.schema = bench.schema().await?;
    let id_before = id.clone();
    let now = match &column {
        Some(_) => id,
        None => ObjectId { name: to.clone(), ..id },
    };
    if let Some(owner) = bench.owners.get(&id_before).cloned() {
        bench.owners.insert(now.clone(), owner);
    }
    let back = renamed.schema.get(&now).and_then(|object| {
        let old = column.clone().unwrap_or_else(|| id_before.name.clone());
        dialect.rename(object, column.as_ref().map(|_| to.as_str()), &old)
    });
    let back = back.map(|back| back + &creates);
    let back =
        back.ok_or_else(|| Error::new(ErrorKind::Internal, format!("{now} is not there after its rename")))?;
    bench.set_rollback(0, &back);
    renamed.up.push(up);
    renamed.down.insert(0, back);
    Ok(())
}

impl Bench<'_> {
    /// Gives everything the name that it had.
    pub(super) async fn take_back_renames(&mut self, renamed: &Renamed) -> Result<()> {
        for _ in &renamed.up {
            Box::pin(self.take_back("a rename cannot be taken back")).await?;
        }
        Ok(())
    }
}

/// The kinds that are renamed by name.
const NAMED: &[Kind] = &[
    Kind::Table,
    Kind::View,
    Kind::MaterializedView,
    Kind::Sequence,
    Kind::Index,
    Kind::Enum,
    Kind::Domain,
    Kind::CompositeType,
];

/// The object or column that is called so.
fn named<'s>(schema: &'s Schema, name: &str) -> Result<(&'s Object, Option<String>)> {
    let objects = || schema.objects.iter().filter(|object| NAMED.contains(&object.id.kind));
    let parts = words::parts(name);
    let mut found: Vec<(&Object, Option<String>)> = objects()
        .filter(|object| is(&object.id, &parts) || object.id.name == name)
        .map(|object| (object, None))
        .collect();
    if found.is_empty()
        && let Some((column, table)) = parts.split_last()
    {
        let has =
            |object: &&Object| is(&object.id, table) && columns(object).iter().any(|own| own.name == *column);
        found.extend(objects().filter(has).map(|object| (object, Some(column.clone()))));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::new(
            ErrorKind::Usage,
            format!("there is nothing called {name} to be renamed or dropped"),
        )
        .with_hint("write the name that it has now: TABLE, TABLE.COLUMN, or with its namespace before it")),
        _ => Err(Error::new(ErrorKind::Usage, format!("more than one thing is called {name}"))
            .with_hint("write its namespace before it: public.item")),
    }
}

/// Whether an object is called so, with or without its namespace.
fn is(id: &ObjectId, parts: &[String]) -> bool {
    match parts {
        [name] => id.name == *name,
        [namespace, name] => id.namespace == *namespace && id.name == *name,
        _ => false,
    }
}

/// The name that is wanted, of which only the last part may be another one than before.
fn new_name(id: &ObjectId, column: Option<&str>, to: &str) -> Result<String> {
    let mut before = vec![id.namespace.as_str(), id.name.as_str()];
    before.truncate(if column.is_some() { 2 } else { 1 });
    before.retain(|part| !part.is_empty());
    let parts = words::parts(to);
    match parts.split_last() {
        Some((name, rest))
            if !name.is_empty() && before.ends_with(&rest.iter().map(String::as_str).collect::<Vec<_>>()) =>
        {
            Ok(name.clone())
        }
        _ => Err(Error::new(
            ErrorKind::Usage,
            format!("{to} is no new name of {id}: only its last part can be another"),
        )
        .with_hint("a name that has a dot in it stands in quotes: --rename 'OLD=\"new.name\"'")),
    }
}

/// A name for people, as `--rename` takes it.
fn label(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => words::quoted(&id.name),
        namespace => format!("{}.{}", words::quoted(namespace), words::quoted(&id.name)),
    }
}

/// The first thing that may have been renamed, and is not said to be dropped.
fn unclear(before: &Schema, wanted: &Schema, dropped: &[String]) -> Option<Unclear> {
    let tables = |schema: &Schema| -> Vec<Object> {
        schema.objects.iter().filter(|object| object.id.kind == Kind::Table).cloned().collect()
    };
    let (old, new) = (tables(before), tables(wanted));
    let said = |id: &ObjectId, column: Option<&str>| {
        let tail = column.map_or_else(String::new, |column| format!(".{column}"));
        let called = |name: &String| {
            let parts = words::parts(name);
            match (column, parts.split_last()) {
                (Some(column), Some((last, table))) => last == column && is(id, table),
                _ => column.is_none() && is(id, &parts),
            }
        };
        dropped.iter().any(|name| called(name) || *name == format!("{}{tail}", id.name))
    };
    for table in old.iter().filter(|table| wanted.get(&table.id).is_none() && !said(&table.id, None)) {
        let alike = |other: &&Object| {
            let shared =
                columns(table).iter().filter(|own| columns(other).iter().any(|one| one.name == own.name));
            before.get(&other.id).is_none() && 2 * shared.count() >= columns(table).len().max(1)
        };
        let candidates: Vec<String> = new.iter().filter(alike).map(|other| label(&other.id)).collect();
        if !candidates.is_empty() {
            return Some(Unclear { gone: label(&table.id), new: candidates });
        }
    }
    for table in &old {
        let Some(other) = wanted.get(&table.id) else { continue };
        let missing = |from: &[database::Column], among: &[database::Column]| -> Vec<String> {
            let gone = from.iter().filter(|own| !among.iter().any(|one| one.name == own.name));
            gone.map(|column| column.name.clone()).collect()
        };
        let (gone, added) =
            (missing(columns(table), columns(other)), missing(columns(other), columns(table)));
        if let (Some(first), false) =
            (gone.iter().find(|name| !said(&table.id, Some(name))), added.is_empty())
        {
            let full = |name: &String| format!("{}.{}", label(&table.id), words::quoted(name));
            return Some(Unclear { gone: full(first), new: added.iter().map(full).collect() });
        }
    }
    None
}
