use database::ObjectId;

use super::Remade;

/// What a restore of a part made in a database that is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// What was not there and was made, by its names; without what belongs to a table.
    pub made: Vec<ObjectId>,
    /// The tables that were there, and the new ones beside them that hold the archive's rows, as SQL.
    pub beside: Vec<(ObjectId, String)>,
    /// The empty tables that were filled.
    pub filled: Vec<ObjectId>,
    /// What was made anew and is not what it was.
    pub remade: Vec<Remade>,
    /// What belongs to something of that and could not come along, for people to read.
    pub cut: Vec<String>,
}
