use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use helpers::naming::{ArchiveKind, BackupName};

use super::*;
use crate::ErrorKind;
use crate::archive::Hash;
use crate::store::memory::MemoryStore;
use crate::store::{Sidecar, Store, Stored, conformance};

fn name() -> BackupName {
    let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
    BackupName { encrypted: true, ..BackupName::new("shop", time, None, ArchiveKind::Script) }
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect::<Vec<_>>().into()
}

fn pair() -> (Keys, Generated) {
    let made = generate();
    let keys = Keys::new().with_recipients(&made.recipient, "list").unwrap();
    (keys.with_identities(&made.identity, "id").unwrap(), made)
}

fn behind(memory: &MemoryStore, keys: Keys) -> EncryptedStore {
    EncryptedStore::new(Box::new(memory.clone()), Arc::new(keys))
}

async fn put(store: &dyn Store, bytes: &Bytes) -> Stored {
    let mut upload = store.create(&name()).await.unwrap();
    for at in (0..bytes.len()).step_by(100_000) {
        upload.write(bytes.slice(at..bytes.len().min(at + 100_000))).await.unwrap();
    }
    upload.complete().await.unwrap()
}

#[tokio::test]
async fn it_conforms() {
    conformance::run(&behind(&MemoryStore::default(), pair().0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_range_comes_back_and_age_reads_it() {
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 5_000_000] {
        let memory = MemoryStore::default();
        let (keys, made) = pair();
        let store = behind(&memory, keys);
        let bytes = bytes(length);
        let stored = put(&store, &bytes).await;
        let raw = memory.source(&name()).await.unwrap();
        let raw = raw.read_at(0, usize::try_from(raw.len().await.unwrap()).unwrap()).await.unwrap();
        assert_eq!((stored.bytes, stored.sha256), (raw.len() as u64, Hash::of(&raw)));
        assert!(length < 1000 || !raw.windows(64).any(|window| *window == bytes[..64]));
        // As `age -d` does it, from the front.
        let identity = age::IdentityFile::from_buffer(made.identity.as_bytes()).unwrap();
        let identities = identity.into_identities().unwrap();
        let decryptor = age::Decryptor::new(&raw[..]).unwrap();
        let mut plain = Vec::new();
        let mut stream = decryptor.decrypt(identities.iter().map(|identity| &**identity as _)).unwrap();
        stream.read_to_end(&mut plain).unwrap();
        assert!(plain == bytes);
        let source = store.source(&name()).await.unwrap();
        assert_eq!(source.len().await.unwrap(), length as u64);
        for (from, to) in
            [(0, length), (length / 2, length), (length / 3, length / 2), (length, length), (0, 1)]
        {
            let to = to.min(length);
            let read = source.read_at(from as u64, to - from).await.unwrap();
            assert!(read == bytes.slice(from..to), "{from}..{to} of {length}");
        }
        assert_eq!(source.read_at(length as u64, 1).await.unwrap_err().kind(), ErrorKind::Damaged);
        // By several readers at once.
        let reads = (0..8).map(|part| {
            let (source, bytes) = (source.clone(), bytes.clone());
            tokio::spawn(async move {
                let (from, to) = (length * part / 8, length * (part + 1) / 8);
                source.read_at(from as u64, to - from).await.unwrap() == bytes.slice(from..to)
            })
        });
        for read in reads.collect::<Vec<_>>() {
            assert!(read.await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_missing_and_a_wrong_key_are_told_apart() {
    let memory = MemoryStore::default();
    let (keys, made) = pair();
    put(&behind(&memory, keys), &bytes(10)).await;
    let recipient_alone = Keys::new().with_recipients(&made.recipient, "list").unwrap();
    let error = behind(&memory, recipient_alone).source(&name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("no identity is given"), "{error}");
    let error = behind(&memory, pair().0).source(&name()).await.unwrap_err();
    assert!(error.to_string().contains("none of the identities given opens it"), "{error}");
    let passphrase = Keys::new().with_passphrase("hunter2").unwrap();
    let error = behind(&memory, passphrase).source(&name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn a_passphrase_opens_what_it_closed() {
    let memory = MemoryStore::default();
    let store = behind(&memory, Keys::new().with_passphrase("correct horse").unwrap());
    put(&store, &bytes(100_000)).await;
    let source = store.source(&name()).await.unwrap();
    assert!(source.read_at(70_000, 10).await.unwrap() == bytes(100_000).slice(70_000..70_010));
    let wrong = behind(&memory, Keys::new().with_passphrase("battery staple").unwrap());
    let error = wrong.source(&name()).await.unwrap_err();
    assert!(!format!("{error:?}").contains("battery staple"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn damage_is_noticed_where_it_is_read() {
    let memory = MemoryStore::default();
    let (keys, made) = pair();
    put(&behind(&memory, keys), &bytes(200_000)).await;
    let raw = memory.source(&name()).await.unwrap();
    let mut raw = raw.read_at(0, usize::try_from(raw.len().await.unwrap()).unwrap()).await.unwrap().to_vec();
    let place = raw.len() - 70_000;
    raw[place] ^= 1;
    memory.insert(&name().to_string(), raw);
    let keys = Keys::new().with_identities(&made.identity, "id").unwrap();
    let source = behind(&memory, keys).source(&name()).await.unwrap();
    assert!(source.read_at(0, 1000).await.is_ok());
    let error = source.read_at(100_000, 90_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(source.read_at(0, 1000).await.is_ok(), "the next reader is a fresh one");
}

#[tokio::test]
async fn what_lies_beside_is_authentic_or_refused() {
    let memory = MemoryStore::default();
    let (keys, made) = pair();
    let store = behind(&memory, keys.with_mac_key(&made.mac_key).unwrap());
    let stored = put(&store, &bytes(10)).await;
    let sidecar = conformance::sidecar(stored);
    store.write_sidecar(&name(), &sidecar).await.unwrap();
    let read = store.read_sidecar(&name()).await.unwrap().unwrap();
    assert!(read.mac.is_some());
    // Somebody who may write to the store, and has no key.
    let forged = Sidecar { time: read.time + chrono::TimeDelta::days(9), ..read };
    memory.write_sidecar(&name(), &forged).await.unwrap();
    let refused = |error: crate::Error| error.kind() == ErrorKind::Refused && error.hint().is_some();
    assert!(refused(store.read_sidecar(&name()).await.unwrap_err()));
    memory.write_sidecar(&name(), &sidecar).await.unwrap();
    assert!(refused(store.read_sidecar(&name()).await.unwrap_err()), "without any");
    let listed = crate::catalogue::list(&store).await.unwrap();
    assert!(matches!(listed[0].state, crate::catalogue::State::Unknown(_)), "{listed:?}");
    // Whoever has no key does not take the authentication away.
    let signed = Sidecar { pin: Some("an open run".to_owned()), ..sidecar };
    memory.remove(&name()).await.unwrap();
    put(&store, &bytes(10)).await;
    store.write_sidecar(&name(), &signed).await.unwrap();
    let keyless = behind(&memory, Keys::new().with_recipients(&made.recipient, "list").unwrap());
    let read = keyless.read_sidecar(&name()).await.unwrap().unwrap();
    assert!(refused(keyless.write_sidecar(&name(), &Sidecar { pin: None, ..read }).await.unwrap_err()));
    assert_eq!(store.read_sidecar(&name()).await.unwrap().unwrap().pin, signed.pin);
}

#[test]
fn keys_are_read_as_age_writes_them() {
    let made = generate();
    assert!(made.identity.contains("AGE-SECRET-KEY-1") && made.recipient.starts_with("age1"));
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let made_by = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made_by.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let both = format!("# ours\n{}\n{public}", made.recipient);
    let keys = Keys::new().with_recipients(&both, "list").unwrap();
    let keys = keys.with_identities(&std::fs::read_to_string(&key).unwrap(), "key").unwrap();
    assert!(keys.encrypts() && keys.opens());
    let refused = |keys: crate::Result<Keys>| keys.unwrap_err().to_string();
    assert!(refused(Keys::new().with_recipients("age1nonsense", "list")).contains("is no recipient"));
    // Nothing of a text is shown: a private key in the place of a public one is a secret.
    let text = format!("{}\n# ours\nhunter2 in the wrong file", made.recipient);
    let error = refused(Keys::new().with_recipients(&text, "list"));
    assert!(error.contains("list, line 3") && !error.contains("hunter2"), "{error}");
    // Whoever says that there are recipients and names none does not mean that nothing is encrypted.
    for text in ["", " , ", "# ours\n\n"] {
        let error = Keys::new().with_recipients(text, "list").unwrap_err();
        assert!(error.kind() == ErrorKind::Usage && error.hint().is_some(), "{error}");
    }
    let secret = made.identity.lines().nth(1).unwrap();
    assert!(!refused(Keys::new().with_recipients(secret, "list")).contains(secret));
    assert!(refused(Keys::new().with_identities("nonsense", "f")).contains("`f` holds no identity"));
    assert!(refused(keys.with_passphrase("x")).contains("does not go together"));
    assert!(refused(Keys::new().with_mac_key("12")).contains("64 hex digits"));
}

#[tokio::test]
async fn what_was_written_before_there_was_a_key_is_vouched_for_by_the_archive_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let database =
        database::Database::Sqlite(database::sqlite::File::new(path, database::sqlite::Mode::ReadWrite));
    let memory = MemoryStore::default();
    let (keys, made) = pair();
    let keyless = behind(&memory, keys);
    let options = crate::dump::BackupOptions::default();
    let written = crate::dump::create(&database, &keyless, &options, &crate::progress::Silent).await.unwrap();
    let name = written.name;
    crate::catalogue::pin(&keyless, &name, Some("kept")).await.unwrap();
    assert_eq!(keyless.vouch(&name).await.unwrap_err().kind(), ErrorKind::Usage);
    let identity = Keys::new().with_recipients(&made.recipient, "list").unwrap();
    let identity = identity.with_identities(&made.identity, "identity.txt").unwrap();
    let store = behind(&memory, identity.with_mac_key(&made.mac_key).unwrap());
    assert!(!crate::catalogue::list(&store).await.unwrap()[0].is_good());
    // What lies is not vouched for.
    let honest = memory.read_sidecar(&name).await.unwrap().unwrap();
    let forged = Sidecar { time: honest.time + chrono::TimeDelta::days(9), ..honest.clone() };
    memory.write_sidecar(&name, &forged).await.unwrap();
    assert_eq!(store.vouch(&name).await.unwrap_err().kind(), ErrorKind::Refused);
    memory.write_sidecar(&name, &honest).await.unwrap();
    assert!(store.vouch(&name).await.unwrap());
    assert!(!store.vouch(&name).await.unwrap(), "once is enough");
    let listed = crate::catalogue::list(&store).await.unwrap();
    assert!(listed[0].is_good() && listed[0].sidecar.as_ref().unwrap().pin.as_deref() == Some("kept"));
}
