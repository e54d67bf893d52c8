use super::proxy::{Fault, Proxy};
use super::*;
use crate::ErrorKind;

/// A store behind the proxy, and the same without it.
async fn behind(more: &str) -> (Proxy, S3Store, S3Store) {
    let (proxy, prefix) = (Proxy::start().await, prefix());
    let faulty = store_at(&proxy.endpoint, &prefix, &format!("&part_size=5MiB&patience=2s{more}"));
    let direct = store(&prefix, "");
    (proxy, faulty, direct)
}

async fn comes_through(words: &[&'static str], times: u32, fault: Fault) {
    let (proxy, faulty, direct) = behind("").await;
    proxy.fault(words, times, fault);
    let bytes = noise(12 << 20);
    put(&faulty, &name(0), &bytes).await.unwrap_or_else(|error| panic!("{words:?} {fault:?}: {error}"));
    assert_eq!(proxy.left(), 0, "{words:?} {fault:?}");
    let source = direct.source(&name(0)).await.unwrap();
    assert!(source.read_at(0, bytes.len()).await.unwrap() == bytes, "{words:?} {fault:?}");
    assert_eq!(direct.shared.objects("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_passes_is_tried_again_until_it_works() {
    let parts = &["PUT", "partNumber=2"][..];
    for (words, times, fault) in [
        (parts, 2, Fault::Answer(500, "InternalError")),
        (parts, 3, Fault::Answer(503, "SlowDown")),
        (parts, 1, Fault::CutRequest),
        (parts, 1, Fault::LoseAnswer),
        (&["POST", "uploads"], 1, Fault::Answer(503, "SlowDown")),
        (&["PUT", ".part"], 1, Fault::LoseAnswer),
        (&["POST", "uploadId="], 1, Fault::Answer(500, "InternalError")),
        (&["POST", "uploadId="], 1, Fault::CutRequest),
        // The store has made the archive; asking again, it knows of no such upload.
        (&["POST", "uploadId="], 1, Fault::LoseAnswer),
    ] {
        comes_through(words, times, fault).await;
    }
}

async fn fails(more: &str, words: &[&'static str], fault: Fault) -> Error {
    let (proxy, faulty, direct) = behind(more).await;
    proxy.fault(words, 100, fault);
    let Err(error) = put(&faulty, &name(0), &noise(12 << 20)).await else {
        panic!("{words:?} {fault:?} was not noticed")
    };
    assert!(is_empty(&direct).await, "{words:?} {fault:?}: {error}");
    error
}

#[tokio::test]
async fn what_does_not_pass_is_an_error_and_nothing_is_listed() {
    let parts = &["PUT", "partNumber=2"][..];
    let complete = &["POST", "uploadId="][..];
    for (words, fault, kind, said) in [
        (parts, Fault::Answer(503, "SlowDown"), ErrorKind::Store, "SlowDown"),
        (parts, Fault::Answer(400, "ExpiredToken"), ErrorKind::Store, "ExpiredToken"),
        (parts, Fault::CutRequest, ErrorKind::Store, "cannot be reached"),
        (complete, Fault::Answer(403, "AccessDenied"), ErrorKind::Permission, "cannot publish"),
        (
            &["POST", "uploads"],
            Fault::Answer(403, "AccessDenied"),
            ErrorKind::Permission,
            "cannot begin an upload",
        ),
        (
            &["PUT", ".part"],
            Fault::Answer(403, "RequestTimeTooSkewed"),
            ErrorKind::Store,
            "RequestTimeTooSkewed",
        ),
    ] {
        let error = fails("", words, fault).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said) && error.hint().is_some(), "{error}: {:?}", error.hint());
    }
}

#[tokio::test]
async fn a_byte_that_changes_on_the_way_is_noticed_by_the_store() {
    let parts = &["PUT", "partNumber=2"];
    for more in ["", "&checksum=when-supported"] {
        let error = fails(more, parts, Fault::Corrupt).await;
        assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    }
    // A part from the spool is not in the signature: only its checksum tells.
    let spool = tempfile::tempdir().unwrap();
    for more in ["", "&checksum=when-supported"] {
        let (proxy, prefix) = (Proxy::start().await, prefix());
        let options = format!("&part_size=17MiB&patience=2s&spool={}{more}", spool.path().display());
        let faulty = store_at(&proxy.endpoint, &prefix, &options);
        proxy.fault(&["PUT", "partNumber=1"], 100, Fault::Corrupt);
        let error = put(&faulty, &name(0), &noise(18 << 20)).await.map(|_| more).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{error}");
        assert!(is_empty(&store(&prefix, "")).await);
    }
}

#[tokio::test]
async fn a_range_that_breaks_off_goes_on_where_it_broke() {
    let (proxy, faulty, direct) = behind("").await;
    let bytes = noise(3 << 20);
    put(&direct, &name(0), &bytes).await.unwrap();
    let source = faulty.source(&name(0)).await.unwrap();
    for (times, fault) in [
        (3, Fault::CutAnswer),
        (2, Fault::Answer(500, "InternalError")),
        (1, Fault::LoseAnswer),
        (1, Fault::Trickle),
    ] {
        proxy.fault(&["GET"], times, fault);
        assert!(source.read_at(1, 2 << 20).await.unwrap() == bytes.slice(1..1 + (2 << 20)), "{fault:?}");
        assert_eq!(proxy.left(), 0, "{fault:?}");
    }
    proxy.fault(&["GET"], 100, Fault::CutAnswer);
    let error = source.read_at(1, 1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("broke off"), "{error}");
}

#[tokio::test]
async fn the_end_of_an_archive_is_fetched_once() {
    let (proxy, faulty, direct) = behind("").await;
    put(&direct, &name(0), &noise(1 << 20)).await.unwrap();
    let source = faulty.source(&name(0)).await.unwrap();
    for back in [9, 60, 400, 4000] {
        source.read_at((1 << 20) - back, 9).await.unwrap();
    }
    assert_eq!(proxy.count(&["GET"]), 1);
}
