//! Making a backup.

mod options;

pub use options::{BackupOptions, Written};
