//! Leaving out of a schema what a backup does not want.

use std::collections::{HashMap, HashSet};

use database::{Kind, NotCarried, ObjectId, Schema};

use crate::Result;
use crate::dump::BackupOptions;
use crate::selection::{self, Node};

/// The same schema with no statement but those that rows are made by: large objects, and the filling of materialized views.
pub(super) fn rows_only(schema: &Schema) -> Schema {
    let mut bare = schema.clone();
    for object in &mut bare.objects {
        if !matches!(object.id.kind, Kind::LargeObject | Kind::Refresh) {
            object.definition.clear();
        }
        object.owner = None;
        object.comments.clear();
        object.privileges.clear();
    }
    bare
}

/// Takes out of the schema what the options leave out, and notes it there. Returns the sequences whose values are
/// wanted; `None` for all.
///
/// # Errors
/// As [`selection::pick`].
pub(super) fn apply(schema: &mut Schema, options: &BackupOptions) -> Result<Option<HashSet<ObjectId>>> {
    if !options.is_partial() {
        return Ok(None);
    }
    let selection = &options.selection;
    let places: HashMap<&ObjectId, usize> =
        schema.objects.iter().enumerate().map(|(place, object)| (&object.id, place)).collect();
    let nodes: Vec<Node<'_>> = schema
        .objects
        .iter()
        .map(|object| Node {
            id: &object.id,
            needs: object.depends_on.iter().filter_map(|id| places.get(id).copied()).collect(),
        })
        .collect();
    let picked = selection::pick(&nodes, selection, &|_| false)?;
    let refused = schema.refused.iter().filter_map(|one| one.of.clone());
    let refused: HashSet<ObjectId> = refused.filter(|of| places.contains_key(of)).collect();
    let mut place = 0;
    schema.objects.retain_mut(|object| {
        let (kept, rows) = (picked.kept[place], picked.rows[place]);
        place += 1;
        if let Some(table) = &mut object.table {
            table.holds_rows &= rows;
        }
        if options.no_owner {
            object.owner = None;
        }
        if options.no_privileges {
            object.privileges.clear();
        }
        let dropped = (options.no_privileges && object.id.kind == Kind::DefaultPrivileges)
            || (!selection.has_rows() && matches!(object.id.kind, Kind::Refresh | Kind::LargeObject));
        kept && !dropped
    });
    let kept: HashSet<ObjectId> = schema.objects.iter().map(|object| object.id.clone()).collect();
    for object in &mut schema.objects {
        object.depends_on.retain(|id| kept.contains(id));
    }
    schema.refused.retain(|one| match &one.of {
        Some(of) if refused.contains(of) => kept.contains(of),
        Some(of) => selection.may_take(of),
        None => true,
    });
    let cut = picked.cut.into_iter().map(|what| (what, "it cannot come along"));
    let all = options.left_out().into_iter().chain(cut);
    schema.left_out.extend(all.map(|(what, why)| NotCarried::new(what, why)));
    let sequences = kept.into_iter().filter(|id| id.kind == Kind::Sequence && selection.has_rows());
    Ok(Some(sequences.collect()))
}
