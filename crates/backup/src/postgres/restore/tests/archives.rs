//! Archives for tests: made by a real dump, and changed ones with their hashes made anew.

use std::sync::atomic::{AtomicU32, Ordering};

use database::Database;
use helpers::naming::BackupName;
use tempfile::TempDir;

use crate::archive::{Archive, ArchiveWriter, Head, RawPart, Tail, compress};
use crate::dump::{BackupOptions, Written, create};
use crate::progress::Silent;
use crate::store::{LocalStore, Store};

/// A store in a folder of its own.
pub(super) struct Place {
    pub(super) store: LocalStore,
    _folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: LocalStore::new(folder.path()), _folder: folder }
    }

    pub(super) async fn open(&self, name: &BackupName) -> Archive {
        Archive::open(self.store.source(name).await.unwrap()).await.unwrap()
    }

    /// Backs a database up.
    pub(super) async fn back_up(&self, database: &Database) -> (Archive, Written) {
        let written = create(database, &self.store, &BackupOptions::default(), &Silent).await.unwrap();
        (self.open(&written.name).await, written)
    }

    /// The same archive with something changed, and every hash right: what a forger could make.
    pub(super) async fn forged(
        &self,
        archive: &Archive,
        change: impl FnOnce(&mut Head, &mut Vec<RawPart>, &mut Tail),
    ) -> Archive {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let index = archive.index().clone();
        let mut head = archive.head().clone();
        let mut parts = Vec::new();
        for (number, part) in (0..).zip(&index.parts) {
            parts.push(RawPart {
                section: part.section,
                aspect: part.aspect,
                objects: part.objects.to_vec(),
                rows: part.rows,
                bytes: archive.part(number).await.unwrap(),
                follows: part.follows.clone(),
            });
        }
        let mut tail = index.into_tail();
        change(&mut head, &mut parts, &mut tail);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let label = format!("forged{number}");
        // No two of one database bear one second, also not with a backup that is made after this one.
        let time = head.time + chrono::TimeDelta::seconds(3600 + i64::from(number));
        let name = BackupName::new(&head.database, time, Some(&label), helpers::naming::ArchiveKind::Script);
        let mut writer = ArchiveWriter::begin(self.store.create(&name).await.unwrap(), &head).await.unwrap();
        for part in parts {
            writer.append(compress(part, 1).unwrap()).await.unwrap();
        }
        writer.finish(tail).await.unwrap();
        self.open(&name).await
    }
}
