//! Part of an archive as an archive of its own: only the parts that it needs are read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use database::{Kind, ObjectId, TableDigest};

use crate::archive::{Archive, Aspect, Part, PartNumber, Wanted};
use crate::selection::{self, Content, Node, Selection};
use crate::{Error, ErrorKind, Result};

use super::rows;

/// A selection of an archive.
#[derive(Debug)]
pub(crate) struct PartOf {
    /// The archive with only that.
    pub(crate) archive: Archive,
    /// The objects that were asked for.
    pub(crate) asked: Vec<ObjectId>,
    /// What belongs to them and could not come along, for people to read.
    pub(crate) cut: Vec<String>,
}

/// What a selection takes of an archive that goes where `there` is already.
///
/// # Errors
/// As [`selection::pick`]; [`ErrorKind::Refused`] for an archive that does not say what needs what.
pub(crate) async fn part_of(
    archive: &Archive,
    selection: &Selection,
    there: &(dyn Fn(&ObjectId) -> bool + Sync),
) -> Result<PartOf> {
    let index = archive.index();
    if index.outline.is_empty() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} does not say which object needs which, so only all of it can be restored",
                archive.name()
            ),
        )
        .with_hint("restore all of it into a new database: --into NAME"));
    }
    let place = |need: &u32| usize::try_from(*need).unwrap_or(usize::MAX);
    let nodes: Vec<Node<'_>> = index
        .outline
        .iter()
        .map(|one| Node { id: &one.id, needs: one.needs.iter().map(place).collect() })
        .collect();
    let picked = selection::pick(&nodes, selection, there)?;
    let ids = |flags: &dyn Fn(usize) -> bool| -> HashSet<&ObjectId> {
        (0..nodes.len()).filter(|&place| flags(place)).map(|place| nodes[place].id).collect()
    };
    // A namespace that is there already needs no definition.
    let everywhere = |id: &ObjectId| id.kind == Kind::Namespace && there(id);
    let kept = ids(&|place| picked.kept[place] && !everywhere(nodes[place].id));
    let rows = ids(&|place| picked.rows[place]);
    let spans: HashMap<&ObjectId, &BTreeMap<Aspect, u32>> =
        index.outline.iter().map(|one| (&one.id, &one.spans)).collect();
    let mut wanted = Vec::new();
    for (number, part) in (0..).zip(&index.parts) {
        if part.aspect == Aspect::Rows && part.objects.len() > 1 && selection.content == Content::DataOnly {
            wanted.extend(by_table(archive, number, part, &rows).await?);
            continue;
        }
        let take = match part.aspect {
            Aspect::Guard => None,
            Aspect::Rows => of_rows(archive, number, part, &rows).await?,
            Aspect::Values => cut(number, part, &spans, |id| rows.contains(id))?,
            Aspect::LargeObjects => selection.has_large_objects().then(|| whole(number, part)),
            Aspect::Statistics => cut(number, part, &spans, |id| {
                rows.contains(id) && selection.has_definitions() && !there(id)
            })?,
            // A new database without `public` is no matter of the objects.
            _ if part.objects.is_empty() => None,
            _ => cut(number, part, &spans, |id| {
                kept.contains(id)
                    && match id.kind {
                        Kind::Refresh | Kind::LargeObject => selection.has_rows(),
                        _ => selection.has_definitions(),
                    }
            })?,
        };
        wanted.extend(take);
    }
    let mut kinds = BTreeMap::new();
    for id in kept.iter().filter(|id| selection.has_rows() || id.kind != Kind::Refresh) {
        *kinds.entry(id.kind).or_insert(0_u64) += 1;
    }
    let mut left_out: Vec<String> =
        selection.in_words().into_iter().map(|(what, flag)| format!("{what} ({flag})")).collect();
    left_out.extend(picked.cut.iter().cloned());
    let narrowed = archive.narrowed(wanted, |index| {
        index.partial = true;
        index.kinds = kinds;
        index.left_out.extend(left_out);
        index.tables.retain(|table| rows.contains(&table.id));
        if !selection.has_large_objects()
            && let Some(extras) = index.extras.as_object_mut()
        {
            extras.insert("large_objects".to_owned(), 0.into());
            let empty = serde_json::to_value(TableDigest::default()).unwrap_or_default();
            extras.insert("large_objects_digest".to_owned(), empty);
        }
    })?;
    let asked = (0..nodes.len())
        .filter(|&place| picked.kept[place] && !picked.brought[place] && kept.contains(nodes[place].id))
        .map(|place| nodes[place].id.clone())
        .collect();
    Ok(PartOf { archive: narrowed, asked, cut: picked.cut })
}

fn whole(number: PartNumber, part: &Part) -> Wanted {
    Wanted { number, part: part.clone(), ranges: None }
}

/// The statements of some objects of a part.
fn cut(
    number: PartNumber,
    part: &Part,
    spans: &HashMap<&ObjectId, &BTreeMap<Aspect, u32>>,
    wanted: impl Fn(&ObjectId) -> bool,
) -> Result<Option<Wanted>> {
    let (mut at, mut ranges, mut objects) = (0_usize, Vec::<Range<usize>>::new(), Vec::new());
    for id in part.objects.iter() {
        let span = spans.get(id).and_then(|spans| spans.get(&part.aspect));
        let Some(length) = span.and_then(|&span| usize::try_from(span).ok()) else {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("the archive's outline does not say how long the statements of {id} are"),
            ));
        };
        if wanted(id) {
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end += length,
                _ => ranges.push(at..at + length),
            }
            objects.push(id.clone());
        }
        at += length;
    }
    Ok(match objects.len() {
        0 => None,
        count if count == part.objects.len() => Some(whole(number, part)),
        _ => Some(Wanted {
            number,
            part: Part { objects: objects.into(), ..part.clone() },
            ranges: Some(ranges),
        }),
    })
}

/// The rows of some tables of a part; one that holds those of several is read to find them.
async fn of_rows(
    archive: &Archive,
    number: PartNumber,
    part: &Part,
    tables: &HashSet<&ObjectId>,
) -> Result<Option<Wanted>> {
    let objects: Vec<ObjectId> = part.objects.iter().filter(|id| tables.contains(id)).cloned().collect();
    if objects.is_empty() {
        return Ok(None);
    }
    if objects.len() == part.objects.len() {
        return Ok(Some(whole(number, part)));
    }
    let names: BTreeSet<[&str; 2]> =
        objects.iter().map(|id| [id.namespace.as_str(), id.name.as_str()]).collect();
    let (mut ranges, mut count) = (Vec::new(), 0);
    for (table, range, rows) in blocks(&archive.part(number).await?)? {
        let [namespace, name] = table.as_slice() else { continue };
        if names.contains(&[namespace.as_str(), name.as_str()]) {
            ranges.push(range);
            count += rows;
        }
    }
    let part = Part { objects: objects.into(), rows: count, ..part.clone() };
    Ok(Some(Wanted { number, part, ranges: Some(ranges) }))
}

/// The rows of each of some tables of a part by themselves, so that they can go in any order.
async fn by_table(
    archive: &Archive,
    number: PartNumber,
    part: &Part,
    tables: &HashSet<&ObjectId>,
) -> Result<Vec<Wanted>> {
    let blocks = blocks(&archive.part(number).await?)?;
    let mut wanted = Vec::new();
    for id in part.objects.iter().filter(|id| tables.contains(id)) {
        let own = blocks.iter().filter(|(table, ..)| *table == [id.namespace.as_str(), id.name.as_str()]);
        let (ranges, rows): (Vec<_>, Vec<u64>) = own.map(|(_, range, rows)| (range.clone(), *rows)).unzip();
        let part = Part { objects: [id.clone()].into(), rows: rows.iter().sum(), ..part.clone() };
        wanted.push(Wanted { number, part, ranges: Some(ranges) });
    }
    Ok(wanted)
}

/// A block of a part of rows: of which table, where, how many rows.
type TableBlock = (Vec<String>, Range<usize>, u64);

fn blocks(part: &[u8]) -> Result<Vec<TableBlock>> {
    let mut from = 0;
    let found = rows::blocks(part)?.into_iter().map(|block| {
        let range = from..block.rows.end + b"\\.\n".len();
        from = range.end;
        let rows = memchr::memchr_iter(b'\n', &part[block.rows]).count() as u64;
        (block.head.table, range, rows)
    });
    Ok(found.collect())
}
