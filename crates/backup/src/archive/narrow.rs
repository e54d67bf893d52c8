//! Some of an archive as if it were all of it: what is not wanted is neither read nor restored.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::frame::damaged;
use super::{Archive, Index, Part, PartNumber};
use crate::{Error, ErrorKind, Result};

/// What is wanted of one part.
pub(crate) struct Wanted {
    /// Its number in the whole archive.
    pub(crate) number: PartNumber,
    /// The part with the objects that are wanted of it.
    pub(crate) part: Part,
    /// Where in its bytes they are; `None` for all of them.
    pub(crate) ranges: Option<Vec<Range<usize>>>,
}

/// Writes the bytes of a part anew, after they were checked.
type Rewrite = Arc<dyn Fn(&Part, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// Which bytes of which parts are wanted, and what becomes of them.
#[derive(Clone, Default)]
pub(super) struct Cuts {
    ranges: Arc<HashMap<PartNumber, Vec<Range<usize>>>>,
    rewrite: Option<Rewrite>,
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cuts({} parts, {})", self.ranges.len(), self.rewrite.is_some())
    }
}

impl Cuts {
    /// What is wanted of the part's bytes.
    pub(super) fn of(&self, number: PartNumber, part: &Part, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let kept = match self.ranges.get(&number) {
            None => bytes,
            Some(ranges) => {
                let mut kept = Vec::new();
                for range in ranges {
                    let piece = bytes.get(range.clone());
                    let piece = piece.ok_or_else(|| damaged("its outline is longer than its parts"))?;
                    kept.extend_from_slice(piece);
                }
                kept
            }
        };
        Ok(match &self.rewrite {
            Some(rewrite) => rewrite(part, kept),
            None => kept,
        })
    }
}

impl Archive {
    /// The same archive with only the parts that are wanted, in their order; `change` mends what the index says else.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for more parts than an archive has.
    pub(crate) fn narrowed(&self, wanted: Vec<Wanted>, change: impl FnOnce(&mut Index)) -> Result<Self> {
        let (mut parts, mut cuts, mut places) = (Vec::new(), HashMap::new(), HashMap::new());
        for Wanted { number, mut part, ranges } in wanted {
            let place = PartNumber::try_from(parts.len())
                .map_err(|_| Error::new(ErrorKind::Internal, "more parts than an archive has"))?;
            part.follows = part.follows.iter().filter_map(|before| places.get(before).copied()).collect();
            places.insert(number, place);
            cuts.extend(ranges.map(|ranges| (place, ranges)));
            parts.push(part);
        }
        let old = &self.index;
        let mut index = Index {
            head_sha256: old.head_sha256,
            source: old.source.clone(),
            snapshot: old.snapshot.clone(),
            grade: old.grade.clone(),
            kinds: old.kinds.clone(),
            left_out: old.left_out.clone(),
            properties: old.properties.clone(),
            extras: old.extras.clone(),
            tables: old.tables.clone(),
            parts,
            outline: Vec::new(),
            partial: true,
        };
        change(&mut index);
        let cuts = Cuts { ranges: cuts.into(), rewrite: self.cuts.rewrite.clone() };
        Ok(Self { index: index.into(), cuts, ..self.clone() })
    }

    /// The same archive with the parts written anew as they are read; `change` mends what the index says of them.
    pub(crate) fn rewritten(&self, rewrite: Rewrite, change: impl FnOnce(&mut Index)) -> Self {
        let mut index = Index::clone(&self.index);
        change(&mut index);
        let cuts = Cuts { ranges: self.cuts.ranges.clone(), rewrite: Some(rewrite) };
        Self { index: index.into(), cuts, ..self.clone() }
    }
}
