//! The operating system's lock against two backups of one database at a time on one machine.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use database::DatabaseUrl;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{CommandError, Meaning, Result, io};

/// Held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Alone {
    _file: File,
}

impl Alone {
    /// Takes the lock of a database, a file in the folder of logs, which is there once the audit log is open.
    ///
    /// # Errors
    /// `Locked` if another backup of it is under way.
    pub(crate) fn take(folder: &Path, url: &DatabaseUrl) -> Result<Self> {
        let path = folder.join(helpers::naming::cut_name(
            ".backup-",
            &format!("{:016x}.lock", hash(&url.to_string())),
            255,
        ));
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(CommandError::new(
                Meaning::Locked,
                "another backup of this database is under way on this machine",
            )
            .hint("wait until it has ended")),
            Err(cause) => Err(io("lock", &path)(cause.into())),
        }
    }
}

/// FNV-1a: the same in every build, which the standard library's hash is not.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
