//! The archive: dump, restore, verify, and the stores that archives live in.

pub mod restore;
