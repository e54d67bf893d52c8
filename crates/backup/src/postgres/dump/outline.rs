//! The outline of an archive: what each object needs, and how long its statements are in the parts that hold them.

use std::collections::{BTreeMap, HashMap};

use database::{Engine, ObjectId, Schema, Section, script};

use super::definitions::Planned;
use crate::archive::{Aspect, Outlined, RawPart};
use crate::{Error, ErrorKind, Result};

/// The outline of a schema whose statements are in those parts.
pub(super) fn outline(
    schema: &Schema,
    sections: &BTreeMap<Section, Vec<Planned>>,
    values: &[RawPart],
) -> Result<Vec<Outlined>> {
    let mut places: HashMap<&ObjectId, u32> = HashMap::new();
    for (place, object) in (0..).zip(&schema.objects) {
        places.insert(&object.id, place);
    }
    let mut outline: Vec<Outlined> = schema
        .objects
        .iter()
        .map(|object| Outlined {
            id: object.id.clone(),
            needs: object.depends_on.iter().filter_map(|id| places.get(id).copied()).collect(),
            spans: BTreeMap::new(),
        })
        .collect();
    let mut note = |id: &ObjectId, aspect: Aspect, length: usize| -> Result<()> {
        let place = places.get(id).and_then(|&place| usize::try_from(place).ok());
        let Some(outlined) = place.and_then(|place| outline.get_mut(place)) else {
            return Err(Error::new(ErrorKind::Internal, format!("{id} is in a part and not in the schema")));
        };
        let length = u32::try_from(length).map_err(|_| {
            Error::new(ErrorKind::Refused, format!("the definition of {id} is longer than 4 GiB"))
        })?;
        outlined.spans.insert(aspect, length);
        Ok(())
    };
    for planned in sections.values().flatten() {
        for (id, &length) in planned.part.objects.iter().zip(&planned.spans) {
            note(id, planned.part.aspect, length)?;
        }
    }
    for part in values {
        let text = std::str::from_utf8(&part.bytes).map_err(|error| {
            Error::new(ErrorKind::Internal, "the values of sequences are not UTF-8").with_source(error)
        })?;
        let statements = script::split(Engine::Postgres, text)?;
        if statements.len() != part.objects.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                "not every sequence has one statement for its value",
            ));
        }
        for (id, statement) in part.objects.iter().zip(&statements) {
            // With its semicolon and line end.
            note(id, Aspect::Values, statement.text.len() + ";\n".len())?;
        }
    }
    Ok(outline)
}
