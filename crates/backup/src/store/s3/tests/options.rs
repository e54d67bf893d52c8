//! What is set for a store, seen in the requests that it sends, since not every server knows all of it, and in what the
//! server of the tests makes of it.

use aws_sdk_s3::types::{ObjectLockRetentionMode, ServerSideEncryption};

use super::proxy::{Fault, Proxy};
use super::*;

/// The heads of what an upload with these options sends: its beginning, its parts and its end, and what is put beside.
async fn sent(more: &str, words: &[&str]) -> Vec<String> {
    let proxy = Proxy::start().await;
    let store = store_at(&proxy.endpoint, &prefix(), &format!("&part_size=5MiB&patience=2s{more}"));
    if more.contains("&sse=") {
        // A server without a key of its own would refuse the lease, with which an upload begins.
        proxy.fault(&["PUT", ".part"], 1, Fault::Pretend);
    }
    let bytes = noise(6 << 20);
    // Whether this server takes them is not asked here.
    if let Ok(stored) = put(&store, &name(0), &bytes).await {
        store.write_sidecar(&name(0), &conformance::sidecar(stored)).await.unwrap();
    }
    let requests = proxy.requests(words);
    assert!(!requests.is_empty(), "{more}: nothing was sent as {words:?}");
    requests
}

const BEGIN: &[&str] = &["POST", "?uploads"];

#[tokio::test]
async fn encryption_class_tags_and_locks_are_asked_for_when_an_upload_begins() {
    for (option, header) in [
        ("&sse=AES256", "x-amz-server-side-encryption: aes256"),
        ("&sse=aws:kms", "x-amz-server-side-encryption: aws:kms"),
        ("&sse=aws:kms&kms_key=key-1", "x-amz-server-side-encryption-aws-kms-key-id: key-1"),
        ("&storage_class=STANDARD_IA", "x-amz-storage-class: standard_ia"),
        ("&tags=team=a%20b,kept=", "x-amz-tagging: team=a%20b&kept="),
        ("&object_lock=governance:30d", "x-amz-object-lock-mode: governance"),
        ("&object_lock=compliance:1y", "x-amz-object-lock-mode: compliance"),
    ] {
        for head in sent(option, BEGIN).await {
            assert!(head.contains(header), "{option}: no `{header}` in\n{head}");
        }
    }
    // What lies beside an archive is encrypted as it is.
    for head in sent("&sse=AES256", &["PUT", ".part"]).await {
        assert!(head.contains("x-amz-server-side-encryption: aes256"), "{head}");
    }
    let head = sent("&object_lock=governance:30d", BEGIN).await.remove(0);
    let until = (Utc::now() + chrono::TimeDelta::days(30)).format("%Y-%m-%d").to_string();
    let lock = head.lines().find(|line| line.starts_with("x-amz-object-lock-retain-until-date"));
    assert!(lock.is_some_and(|line| line.contains(&until)), "{head}");
    let head = sent("", BEGIN).await.remove(0);
    for header in ["server-side-encryption", "storage-class", "tagging", "object-lock"] {
        assert!(!head.contains(header), "nobody asked for {header}:\n{head}");
    }
}

/// Writes an archive in several parts with these options, and reads it back by ranges; the store.
async fn written(bucket: &str, more: &str) -> S3Store {
    let url = format!("s3://{bucket}/{}?endpoint={}&part_size=5MiB{more}", prefix(), endpoint());
    let store = S3Store::new(&url, &settings("dbmtest")).unwrap();
    let bytes = noise(12 << 20);
    let stored = put(&store, &name(0), &bytes).await.unwrap();
    store.write_sidecar(&name(0), &conformance::sidecar(stored)).await.unwrap();
    assert!(store.read_sidecar(&name(0)).await.unwrap().is_some());
    let source = store.source(&name(0)).await.unwrap();
    for (offset, length) in [(0, bytes.len()), (5 << 20, 1), ((5 << 20) - 3, 7), ((10 << 20) - 1, 2 << 20)] {
        let read = source.read_at(offset as u64, length).await.unwrap();
        assert!(read == bytes[offset..offset + length], "{more}: {offset} {length}");
    }
    store
}

#[tokio::test]
async fn what_the_server_encrypts_comes_back() {
    for (option, mode, key) in [
        ("&sse=AES256", ServerSideEncryption::Aes256, None),
        ("&sse=aws:kms&kms_key=key-1", ServerSideEncryption::AwsKms, Some("key-1")),
    ] {
        let store = written(BUCKET, option).await;
        for file in [name(0).to_string(), format!("{}.json", name(0))] {
            let head = store.shared.head(&file).await.unwrap().unwrap();
            assert_eq!((head.server_side_encryption(), head.ssekms_key_id()), (Some(&mode), key), "{file}");
        }
    }
}

#[tokio::test]
async fn class_and_tags_are_kept() {
    let store = written(BUCKET, "&storage_class=STANDARD_IA&tags=team=a%20b").await;
    let head = store.shared.head(&name(0).to_string()).await.unwrap().unwrap();
    assert_eq!(head.storage_class().unwrap().as_str(), "STANDARD_IA");
    let client = store.shared.client().await;
    let request = client.get_object_tagging().bucket(BUCKET).key(store.shared.key(&name(0).to_string()));
    let tags = request.send().await.unwrap();
    assert_eq!((tags.tag_set()[0].key(), tags.tag_set()[0].value()), ("team", "a b"));
}

#[tokio::test]
async fn what_is_locked_nobody_deletes_for_good() {
    let client = store(&prefix(), "").shared.client().await.clone();
    // One for both: the server gives each bucket volumes of its own, of which it has few.
    let bucket = format!("dbm-locked-{}", Utc::now().timestamp_micros());
    let create = client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true);
    create.send().await.unwrap();
    for (word, mode) in [
        ("governance", ObjectLockRetentionMode::Governance),
        ("compliance", ObjectLockRetentionMode::Compliance),
    ] {
        let store = written(&bucket, &format!("&object_lock={word}:1d")).await;
        let key = store.shared.key(&name(0).to_string());
        let retention = client.get_object_retention().bucket(&bucket).key(&key).send().await.unwrap();
        let retention = retention.retention().unwrap();
        assert_eq!(retention.mode(), Some(&mode));
        let until = Utc::now() + chrono::TimeDelta::days(1);
        assert!(retention.retain_until_date().unwrap().secs() > until.timestamp() - 600);
        let head = store.shared.head(&name(0).to_string()).await.unwrap().unwrap();
        let version = head.version_id().unwrap();
        let delete = || client.delete_object().bucket(&bucket).key(&key).version_id(version);
        delete().send().await.unwrap_err();
        // Whoever may, passes governance by; nobody passes compliance.
        let passed = delete().bypass_governance_retention(true);
        // What is pruned is gone from the list, and its locked version stays.
        store.remove(&name(0)).await.unwrap();
        assert!(store.list().await.unwrap().is_empty());
        let there = || client.head_object().bucket(&bucket).key(&key).version_id(version);
        there().send().await.unwrap();
        if mode == ObjectLockRetentionMode::Compliance {
            passed.send().await.unwrap_err();
            there().send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn regions_and_tokens_are_signed() {
    for head in sent("&region=eu-north-1", &[]).await {
        assert!(head.contains("/eu-north-1/s3/aws4_request"), "{head}");
    }
    let proxy = Proxy::start().await;
    proxy.fault(&["GET"], 9, Fault::Answer(403, "AccessDenied"));
    let mut settings = settings("dbmtest");
    settings.s3_credentials.as_mut().unwrap().token = Some("session-token".to_owned());
    let url = format!("s3://{BUCKET}/x?endpoint={}&patience=1s", proxy.endpoint);
    S3Store::new(&url, &settings).unwrap().list().await.unwrap_err();
    let head = proxy.requests(&["GET"]).remove(0);
    assert!(head.contains("x-amz-security-token: session-token"), "{head}");
    assert!(head.contains("x-amz-security-token") && head.contains("signedheaders="), "{head}");
}

#[tokio::test]
async fn checksums_are_sent_as_the_store_wants_them() {
    for (option, header) in
        [("&checksum=when-required", "content-md5: "), ("&checksum=when-supported", "x-amz-checksum-")]
    {
        for head in sent(option, &["PUT", "partNumber="]).await {
            assert!(head.contains(header), "{option}:\n{head}");
        }
    }
}

#[tokio::test]
async fn a_bucket_is_in_the_path_or_in_the_host() {
    let head = sent("", BEGIN).await.remove(0);
    assert!(head.starts_with("post /dbm-test/tests/"), "{head}");
    // In the host's name it takes a name: an address has no place for it.
    let proxy = Proxy::start().await;
    let named = proxy.endpoint.replace("127.0.0.1", "localhost");
    let store = store_at(&named, &prefix(), "&path_style=false&patience=1s");
    match store.list().await {
        Ok(_) => assert!(proxy.requests(&["GET"])[0].contains("host: dbm-test.localhost")),
        // Nor does every resolver know names below localhost; the address was the right one then.
        Err(error) => assert!(error.to_string().contains("cannot be reached"), "{error}"),
    }
}

#[tokio::test]
async fn a_profile_that_is_not_there_has_no_keys() {
    let proxy = Proxy::start().await;
    let url = format!("s3://{BUCKET}/x?endpoint={}&patience=1s&profile=no-such-profile", proxy.endpoint);
    let error = S3Store::new(&url, &StoreSettings::default()).unwrap().list().await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("AWS_PROFILE")), "{error}: {:?}", error.hint());
}
