//! What is no table's is proven too: large objects and the values of sequences.

use database::Database;
use helpers::naming::BackupName;

use super::by_hand::Draft;
use super::{ask, beginning, database, fresh, run};
use crate::archive::{Archive, Aspect, RawPart};
use crate::dump::{self, BackupOptions};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use crate::store::{LocalStore, Store as _};
use crate::{ErrorKind, verify};

const CONTENT: &str = "CREATE TABLE t (id serial, n integer); CREATE INDEX i ON t (n); COMMENT ON INDEX i IS 'last'; INSERT INTO t (n) SELECT generate_series(1, 50);
    CREATE SEQUENCE untouched START 7; CREATE SEQUENCE down INCREMENT -3;
    SELECT nextval('down'), nextval('down');
    SELECT lo_from_bytea(0, decode(repeat('00ff5a', 300000), 'hex')), lo_from_bytea(0, 'small'), lo_create(0)";

async fn back_up(door: &Database, store: &LocalStore) -> BackupName {
    dump::create(door, store, &BackupOptions::default(), &Silent).await.unwrap().name
}

/// An archive as one that can be changed.
async fn draft(archive: &Archive) -> Draft {
    let mut parts = Vec::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        parts.push(RawPart {
            section: part.section,
            aspect: part.aspect,
            objects: part.objects.to_vec(),
            rows: part.rows,
            bytes: archive.part(number).await.unwrap(),
            follows: part.follows.clone(),
        });
    }
    let index = archive.index().clone();
    let tail = index.into_tail();
    Draft { head: archive.head().clone(), parts, tail }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_and_values_of_sequences_are_proven() {
    let shop = fresh("proof").await;
    run(&shop, CONTENT).await;
    let door = database(&shop);
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let name = back_up(&door, &store).await;
    let options = RestoreOptions::default();
    let verified = verify::verify(&store, &name, Some(&door), &options, &Silent).await.unwrap();
    assert!(verified.last_proven.is_some());

    type Forge = fn(&mut String);
    let forgeries: [(&str, Aspect, Forge, &str); 11] = [
        (
            "another byte",
            Aspect::LargeObjects,
            |text| *text = text.replacen("00ff5a", "00ff5b", 1),
            "the 3 large objects do not hold",
        ),
        ("no contents", Aspect::LargeObjects, String::clear, "the 3 large objects do not hold"),
        (
            "one more",
            Aspect::LargeObjects,
            |text| text.push_str("SELECT pg_catalog.lo_create(4242424);\n"),
            "4 of the kind LargeObject instead of 3",
        ),
        (
            "a value moved later",
            Aspect::Comment,
            |text| text.push_str("SELECT pg_catalog.nextval('public.t_id_seq');\n"),
            "a sequence has another value",
        ),
        (
            "a row changed later",
            Aspect::Comment,
            |text| text.push_str("UPDATE public.t SET n = n + 1 WHERE id = 7;\n"),
            "the 50 rows of table public.t are not those",
        ),
        (
            "a row lost later",
            Aspect::Comment,
            |text| text.push_str("DELETE FROM public.t WHERE id = 7;\n"),
            "table public.t has 49 rows instead of 50",
        ),
        (
            "a row doubled later",
            Aspect::Comment,
            |text| text.push_str("INSERT INTO public.t SELECT * FROM public.t WHERE id = 7;\n"),
            "table public.t has 51 rows instead of 50",
        ),
        (
            "one row in the place of another",
            Aspect::Comment,
            |text| text.push_str("UPDATE public.t SET id = 8, n = 8 WHERE id = 7;\n"),
            "the 50 rows of table public.t are not those",
        ),
        (
            "an index dropped later",
            Aspect::Comment,
            |text| text.push_str("DROP INDEX public.i;\n"),
            "index public.t.i is missing",
        ),
        (
            "a table made later",
            Aspect::Comment,
            |text| text.push_str("CREATE TABLE public.more (a integer);\n"),
            "2 of the kind Table instead of 1",
        ),
        (
            "a value less",
            Aspect::Values,
            |text| *text = text.lines().skip(1).map(|line| format!("{line}\n")).collect(),
            "there are more sequences",
        ),
    ];
    let archive = Archive::open(store.source(&name).await.unwrap()).await.unwrap();
    for (what, aspect, forge, words) in forgeries {
        let mut draft = draft(&archive).await;
        let part = draft.parts.iter_mut().rfind(|part| part.aspect == aspect).unwrap();
        let mut text = String::from_utf8(part.bytes.clone()).unwrap();
        forge(&mut text);
        assert_ne!(part.bytes, text.as_bytes(), "{what} changes nothing");
        part.bytes = text.into_bytes();
        let (forged, _folder) = draft.write().await;
        let error = restore::prove(&forged, &door, &options, &Silent).await;
        let error = error.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(error.kind(), ErrorKind::Unproven, "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
    }
    assert_eq!(beginning(&shop).await, [shop.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_public_comes_back_without_it() {
    let shop = fresh("no public").await;
    run(&shop, "DROP SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1)")
        .await;
    let door = database(&shop);
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let name = back_up(&door, &store).await;
    let archive = Archive::open(store.source(&name).await.unwrap()).await.unwrap();
    let options = RestoreOptions::default();
    restore::beside(&archive, &door, &options, &Silent).await.unwrap().swap(&[], false).await.unwrap();
    assert_eq!(ask(&shop, "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'").await, "0");
    assert_eq!(ask(&shop, "SELECT a FROM s.t").await, "1");
}
