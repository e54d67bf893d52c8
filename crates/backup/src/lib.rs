//! The archive: dump, restore, verify, and the stores that archives live in.

mod postgres;
pub mod restore;
