//! Pure functions that every room of dbm may use: percent-encoding, password hashes, the names of
//! backups, and taking secrets out of text. Nothing here reads a file, a clock or a network.

pub mod naming;
pub mod password;
pub mod percent;
pub mod redact;
