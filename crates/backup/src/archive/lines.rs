//! The index as text: one JSON object a line, compressed, written and read as a stream.
//!
//! First a line `index`; then `object` lines, which the parts refer to by their place; a line for
//! each table and each part; last a line `end` with their numbers.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;

use database::{Kind, ObjectId, Section, SourceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zstd::stream::write::{Decoder, Encoder};

use super::frame::{damaged, internal};
use super::{Aspect, Grade, Hash, Index, Outlined, Part, PartNumber, TableEntry};
use crate::{Error, Result};

/// No line of an index is longer, so that a forged one cannot take all memory.
const LINE_LIMIT: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Index(Box<First>),
    Object(ObjectId),
    Table(TableEntry),
    Part(PartLine),
    Outline(OutlineLine),
    End { tables: u64, parts: u64 },
}

#[derive(Serialize, Deserialize)]
struct First {
    head_sha256: Hash,
    source: SourceId,
    snapshot: String,
    grade: Grade,
    kinds: BTreeMap<Kind, u64>,
    left_out: Vec<String>,
    properties: Value,
    extras: Value,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

#[derive(Serialize, Deserialize)]
struct OutlineLine {
    object: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spans: BTreeMap<Aspect, u32>,
}

#[derive(Serialize, Deserialize)]
struct PartLine {
    section: Section,
    aspect: Aspect,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<u32>,
    offset: u64,
    stored_bytes: u32,
    bytes: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    rows: u64,
    sha256: Hash,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    follows: Vec<PartNumber>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

/// Writes an index as compressed text.
pub(super) fn write(index: &Index) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new(), 3).map_err(internal)?;
    encoder.include_checksum(true).map_err(internal)?;
    let mut line = |line: &Line| -> Result<()> {
        serde_json::to_writer(&mut encoder, line).map_err(internal)?;
        encoder.write_all(b"\n").map_err(internal)
    };
    line(&Line::Index(Box::new(First {
        head_sha256: index.head_sha256,
        source: index.source.clone(),
        snapshot: index.snapshot.clone(),
        grade: index.grade.clone(),
        kinds: index.kinds.clone(),
        left_out: index.left_out.clone(),
        properties: index.properties.clone(),
        extras: index.extras.clone(),
        partial: index.partial,
    })))?;
    for table in &index.tables {
        line(&Line::Table(table.clone()))?;
    }
    let mut known: HashMap<&ObjectId, u32> = HashMap::new();
    for part in &index.parts {
        let mut objects = Vec::with_capacity(part.objects.len());
        for object in part.objects.iter() {
            let next = u32::try_from(known.len()).map_err(internal)?;
            let number = *known.entry(object).or_insert(next);
            if number == next {
                line(&Line::Object(object.clone()))?;
            }
            objects.push(number);
        }
        line(&Line::Part(PartLine {
            section: part.section,
            aspect: part.aspect,
            objects,
            offset: part.offset,
            stored_bytes: part.stored_bytes,
            bytes: part.bytes,
            rows: part.rows,
            sha256: part.sha256,
            follows: part.follows.clone(),
        }))?;
    }
    for outlined in &index.outline {
        let next = u32::try_from(known.len()).map_err(internal)?;
        let object = *known.entry(&outlined.id).or_insert(next);
        if object == next {
            line(&Line::Object(outlined.id.clone()))?;
        }
        let Outlined { needs, spans, .. } = outlined.clone();
        line(&Line::Outline(OutlineLine { object, needs, spans }))?;
    }
    line(&Line::End { tables: index.tables.len() as u64, parts: index.parts.len() as u64 })?;
    encoder.finish().map_err(internal)
}

/// Reads an index from pieces of its compressed text.
pub(super) struct Reader {
    decoder: Decoder<'static, Vec<u8>>,
    first: Option<Box<First>>,
    objects: Vec<ObjectId>,
    tables: Vec<TableEntry>,
    parts: Vec<Part>,
    outline: Vec<Outlined>,
    ended: bool,
}

impl Reader {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            decoder: Decoder::new(Vec::new()).map_err(internal)?,
            first: None,
            objects: Vec::new(),
            tables: Vec::new(),
            parts: Vec::new(),
            outline: Vec::new(),
            ended: false,
        })
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<()> {
        // Small bites, so that no more than a few of their decompressed blocks are held at once.
        for bite in piece.chunks(16 << 10) {
            self.decoder.write_all(bite).map_err(unreadable)?;
            self.lines()?;
        }
        Ok(())
    }

    fn lines(&mut self) -> Result<()> {
        let text = std::mem::take(self.decoder.get_mut());
        let mut rest = text.as_slice();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.line(serde_json::from_slice(&rest[..end]).map_err(unreadable)?)?;
            rest = &rest[end + 1..];
        }
        if rest.len() > LINE_LIMIT {
            return Err(damaged("its index cannot be read"));
        }
        *self.decoder.get_mut() = rest.to_vec();
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<()> {
        if self.ended {
            return Err(damaged("its index goes on after its end"));
        }
        match line {
            Line::Index(first) => self.first = Some(first),
            Line::Object(object) => self.objects.push(object),
            Line::Table(table) => self.tables.push(table),
            Line::Part(line) => {
                let objects = self.objects_of(&line.objects)?;
                let PartLine { section, aspect, offset, stored_bytes, bytes, rows, sha256, follows, .. } =
                    line;
                let number = self.parts.len();
                if follows.iter().any(|&part| part as usize >= number) {
                    return Err(damaged("its index lets a part follow a later one"));
                }
                self.parts.push(Part {
                    section,
                    aspect,
                    objects,
                    offset,
                    stored_bytes,
                    bytes,
                    rows,
                    sha256,
                    follows,
                });
            }
            Line::Outline(OutlineLine { object, needs, spans }) => {
                let id = self.object(object)?.clone();
                self.outline.push(Outlined { id, needs, spans });
            }
            Line::End { tables, parts } => {
                if (tables, parts) != (self.tables.len() as u64, self.parts.len() as u64) {
                    return Err(damaged("its index is not whole"));
                }
                self.ended = true;
            }
        }
        Ok(())
    }

    fn object(&self, place: u32) -> Result<&ObjectId> {
        let found = self.objects.get(place as usize);
        found.ok_or_else(|| damaged("its index names an object that is not there"))
    }

    /// The objects at those places; equal ones of consecutive parts are shared.
    fn objects_of(&self, places: &[u32]) -> Result<Arc<[ObjectId]>> {
        let object = |&place: &u32| self.object(place);
        if let Some(last) = self.parts.last()
            && last.objects.len() == places.len()
            && places
                .iter()
                .zip(last.objects.iter())
                .all(|(place, last)| object(place).is_ok_and(|it| it == last))
        {
            return Ok(last.objects.clone());
        }
        places.iter().map(|place| object(place).cloned()).collect()
    }

    /// The index, when all pieces are in.
    pub(super) fn finish(mut self) -> Result<Index> {
        self.decoder.flush().map_err(unreadable)?;
        self.lines()?;
        let Some(first) = self.first.filter(|_| self.ended) else {
            return Err(damaged("its index is not whole"));
        };
        let First { head_sha256, source, snapshot, grade, kinds, left_out, properties, extras, partial } =
            *first;
        let (tables, parts, outline) = (self.tables, self.parts, self.outline);
        if outline.iter().flat_map(|one| &one.needs).any(|&need| need as usize >= outline.len()) {
            return Err(damaged("its index lets an object need one that is not there"));
        }
        Ok(Index {
            head_sha256,
            source,
            snapshot,
            grade,
            kinds,
            left_out,
            properties,
            extras,
            tables,
            parts,
            outline,
            partial,
        })
    }
}

fn unreadable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    damaged("its index cannot be read").with_source(cause)
}
