use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use database::{Engine, Kind, ObjectId, Section, SourceId, TableDigest};
use helpers::naming::{ArchiveKind, BackupName};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::progress::Silent;
use crate::store::{LocalStore, Source, Store};
use crate::{ErrorKind, Result};

/// An archive in memory.
#[derive(Debug)]
struct Bytewise(Vec<u8>);

#[async_trait::async_trait]
impl Source for Bytewise {
    fn describe(&self) -> String {
        "it".to_owned()
    }

    async fn len(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(offset).unwrap();
        let bytes = self.0.get(start..start + length);
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| frame::damaged("it ends too early"))
    }
}

fn name() -> BackupName {
    BackupName::new("shop", Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap(), None, ArchiveKind::Script)
}

fn head() -> Head {
    Head {
        engine: Engine::Postgres,
        server_version: "15.18".to_owned(),
        database: "shop".to_owned(),
        time: name().time,
        dbm_version: "0.1.0".to_owned(),
    }
}

fn table(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Table, namespace: "public".into(), of: String::new(), name: name.into() }
}

fn raw(
    section: Section,
    aspect: Aspect,
    objects: &[&str],
    bytes: &[u8],
    follows: Vec<PartNumber>,
) -> RawPart {
    let objects = objects.iter().map(|name| table(name)).collect();
    RawPart { section, aspect, objects, rows: 2, bytes: bytes.to_vec(), follows }
}

fn parts() -> Vec<RawPart> {
    vec![
        raw(Section::PreData, Aspect::Guard, &[], b"BEGIN;\n", vec![]),
        raw(
            Section::PreData,
            Aspect::Definition,
            &["a", "b"],
            b"CREATE TABLE a (); CREATE TABLE b ();\n",
            vec![0],
        ),
        raw(Section::Data, Aspect::Rows, &["b"], b"COPY b FROM stdin;\n1\n2\n\\.\n", vec![1]),
        raw(Section::Data, Aspect::Rows, &["a"], b"COPY a FROM stdin;\n1\n2\n\\.\n", vec![1]),
        raw(Section::Final, Aspect::Guard, &[], b"COMMIT;\n", vec![1, 2, 3]),
    ]
}

fn tail() -> Tail {
    let digest = TableDigest { rows: 2, digest: Default::default() };
    let entry = |name| TableEntry { id: table(name), digest, columns: ["id"].into_iter().collect() };
    Tail {
        source: SourceId("postgres:1/shop".to_owned()),
        snapshot: "0003-1".to_owned(),
        grade: Grade::Weakened(vec!["for a test".to_owned()]),
        kinds: BTreeMap::from([(Kind::Table, 2)]),
        left_out: vec!["the password of a user mapping".to_owned()],
        properties: json!({"owner": "a"}),
        extras: json!({"sequences": [1]}),
        tables: vec![entry("a"), entry("b")],
    }
}

async fn write(folder: &Path) -> (Finished, Vec<u8>) {
    let store = LocalStore::new(folder);
    let mut writer = ArchiveWriter::begin(store.create(&name()).await.unwrap(), &head()).await.unwrap();
    for (number, part) in (0..).zip(parts()) {
        assert_eq!(writer.append(compress(part, 1).unwrap()).await.unwrap(), number);
    }
    let finished = writer.finish(tail()).await.unwrap();
    let bytes = fs::read(folder.join(name().to_string())).unwrap();
    assert_eq!((finished.stored.bytes, finished.stored.sha256), (bytes.len() as u64, Hash::of(&bytes)));
    (finished, bytes)
}

async fn check(bytes: &[u8]) -> Result<Archive> {
    let archive = Archive::open(Arc::new(Bytewise(bytes.to_vec()))).await?;
    archive.verify_all(&Silent, &CancellationToken::new()).await?;
    Ok(archive)
}

#[tokio::test]
async fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (finished, bytes) = write(folder.path()).await;
    let archive = check(&bytes).await.unwrap();
    assert_eq!(archive.head(), &head());
    assert_eq!(archive.identity(), finished.identity);
    let Tail { source, snapshot, grade, kinds, left_out, properties, extras, tables } = tail();
    let index = archive.index();
    assert_eq!((&index.source, &index.snapshot, &index.grade), (&source, &snapshot, &grade));
    assert_eq!((&index.kinds, &index.left_out, &index.tables), (&kinds, &left_out, &tables));
    assert_eq!((&index.properties, &index.extras), (&properties, &extras));
    for ((number, part), raw) in (0..).zip(&index.parts).zip(parts()) {
        assert_eq!((part.section, part.aspect, part.rows), (raw.section, raw.aspect, raw.rows));
        assert_eq!((&*part.objects, &part.follows), (&*raw.objects, &raw.follows));
        assert_eq!(archive.part(number).await.unwrap(), raw.bytes);
    }
}

#[tokio::test]
async fn every_flipped_byte_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = write(folder.path()).await;
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            let error = check(&changed).await.expect_err(&format!("byte {place} of {}", bytes.len()));
            let right = matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat);
            assert!(right && error.hint().is_some(), "byte {place}: {error}");
        }
    }
}

#[tokio::test]
async fn every_cut_and_every_addition_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = write(folder.path()).await;
    for length in 0..bytes.len() {
        let error = check(&bytes[..length]).await.expect_err("a cut archive");
        assert_eq!(error.kind(), ErrorKind::Damaged, "cut at {length}: {error}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(check(&longer).await.unwrap_err().kind(), ErrorKind::Damaged);
    let twice = [&bytes[..], &bytes[..]].concat();
    assert_eq!(check(&twice).await.unwrap_err().kind(), ErrorKind::Damaged);
}

#[tokio::test]
async fn a_newer_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut bytes) = write(folder.path()).await;
    bytes[16] = 2;
    let error = check(&bytes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NewerFormat);
    assert_eq!(error.to_string(), "it: it has format 2, and this dbm reads up to format 1");
}

#[tokio::test]
async fn stock_zstd_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).await;
    let path = folder.path().join(name().to_string());
    let zstd = |flag: &str| Command::new("zstd").arg(flag).arg(&path).output().expect("zstd on PATH");
    assert!(zstd("-t").status.success());
    let plain = zstd("-dc");
    assert!(plain.status.success());
    let expected: Vec<u8> = parts().into_iter().flat_map(|part| part.bytes).collect();
    assert_eq!(plain.stdout, expected);
}

/// Walks the file as the two formats' specifications say, with nothing of our own reader.
#[tokio::test]
async fn the_seek_table_is_the_one_of_the_specification() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = write(folder.path()).await;
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let end = bytes.len();
    assert_eq!(number(end - 4), 0x8F92_EAB1);
    assert_eq!(bytes[end - 5], 0, "no checksum flag, reserved bits zero");
    let count = number(end - 9) as usize;
    assert_eq!(count, parts().len() + 3);
    let start = end - 9 - 8 * count - 8;
    assert_eq!(number(start), 0x184D_2A5E);
    assert_eq!(number(start + 4) as usize, end - start - 8);
    let mut at = 0;
    let mut text = Vec::new();
    for entry in 0..count {
        let (stored, raw) = (number(start + 8 + 8 * entry) as usize, number(start + 12 + 8 * entry) as usize);
        let frame = &bytes[at..at + stored];
        if raw == 0 {
            assert_eq!(u32::from_le_bytes(frame[..4].try_into().unwrap()) & 0xFFFF_FFF0, 0x184D_2A50);
        } else {
            assert_eq!(frame[..4], 0xFD2F_B528_u32.to_le_bytes());
            assert_eq!(frame[4] & 0b100, 0b100, "content checksum");
            text.extend(zstd::bulk::decompress(frame, raw).unwrap());
        }
        at += stored;
    }
    assert_eq!(at, start);
    assert_eq!(text, parts().into_iter().flat_map(|part| part.bytes).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropping_a_writer_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let mut writer = ArchiveWriter::begin(store.create(&name()).await.unwrap(), &head()).await.unwrap();
    writer.append(compress(parts().remove(0), 1).unwrap()).await.unwrap();
    drop(writer);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".dbm-lock"]);
}

#[tokio::test]
async fn a_part_follows_only_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let mut writer = ArchiveWriter::begin(store.create(&name()).await.unwrap(), &head()).await.unwrap();
    let part = compress(raw(Section::Data, Aspect::Rows, &[], b"x", vec![0]), 1).unwrap();
    assert_eq!(writer.append(part).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn an_archive_without_parts_and_one_with_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let writer = ArchiveWriter::begin(store.create(&name()).await.unwrap(), &head()).await.unwrap();
    writer.finish(tail()).await.unwrap();
    check(&fs::read(folder.path().join(name().to_string())).unwrap()).await.unwrap();
    let mut other = name();
    other.time += chrono::TimeDelta::seconds(1);
    let mut writer = ArchiveWriter::begin(store.create(&other).await.unwrap(), &head()).await.unwrap();
    for number in 0..20_000_u32 {
        let object = format!("t{}", number / 7);
        let part = raw(Section::Data, Aspect::Rows, &[&object], &number.to_le_bytes(), vec![]);
        writer.append(compress(part, 1).unwrap()).await.unwrap();
    }
    writer.finish(tail()).await.unwrap();
    let archive = check(&fs::read(folder.path().join(other.to_string())).unwrap()).await.unwrap();
    assert_eq!(archive.part(19_999).await.unwrap(), 19_999_u32.to_le_bytes());
    assert_eq!(archive.entry(19_999).unwrap().objects[0], table("t2857"));
}

#[test]
fn names_in_one_text_are_a_list_to_others() {
    for list in [vec![], vec!["id"], vec!["", "ä\"", "id", ""]] {
        let names: Names = list.iter().collect();
        assert!(names.iter().eq(list.iter().copied()), "{names:?}");
        assert_eq!(serde_json::to_value(&names).unwrap(), json!(list));
        assert_eq!(serde_json::from_value::<Names>(json!(list)).unwrap(), names);
    }
}
