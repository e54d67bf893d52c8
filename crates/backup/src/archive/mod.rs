//! The one file that a backup is: a sequence of zstd frames that stock tools decompress to a script
//! (or a SQLite database file), with what dbm knows of it in frames that they skip.

mod check;
mod frame;
mod hash;
mod index;
mod lines;
mod narrow;
mod part;
mod press;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use frame::FORMAT;
pub use hash::Hash;
pub(crate) use hash::Hasher;
pub use index::{Aspect, Grade, Head, Index, Names, Outlined, Part, PartNumber, TableEntry, Tail};
pub(crate) use narrow::Wanted;
pub use part::{PART_BYTES, PART_LIMIT, RawPart, StoredPart, compress};
pub(crate) use press::{Lent, Press, Pressing};
pub use read::Archive;
pub use write::{ArchiveWriter, Finished};
