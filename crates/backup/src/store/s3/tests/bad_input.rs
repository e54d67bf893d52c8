use super::proxy::{Fault, Proxy};
use super::*;
use crate::ErrorKind;

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let url = format!("s3://no-such-bucket/x?endpoint={}", endpoint());
    let store = S3Store::new(&url, &settings("dbmtest")).unwrap();
    for error in
        [store.create(&name(0)).await.map(drop).unwrap_err(), store.list().await.map(drop).unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Store, "{error}");
        assert!(error.to_string().contains("NoSuchBucket"), "{error}");
        assert!(error.hint().unwrap().contains("make the bucket"));
    }
}

#[tokio::test]
async fn wrong_keys_are_said_to_be_wrong() {
    let url = format!("s3://{BUCKET}/x?endpoint={}", endpoint());
    let mut wrong = settings("dbmtest");
    wrong.s3_credentials.as_mut().unwrap().secret = "hunter2".to_owned();
    for settings in [wrong, settings("nobody")] {
        let error = S3Store::new(&url, &settings).unwrap().list().await.unwrap_err();
        assert!(error.hint().unwrap().contains("check the keys"), "{error}: {:?}", error.hint());
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn who_may_only_read_cannot_begin_a_backup_and_can_restore_one() {
    let prefix = prefix();
    put(&store(&prefix, ""), &name(0), &noise(10)).await.unwrap();
    let url = format!("s3://{BUCKET}/{prefix}?endpoint={}", endpoint());
    let reader = S3Store::new(&url, &settings("dbmreader")).unwrap();
    assert_eq!(reader.list().await.unwrap().len(), 1);
    assert!(reader.source(&name(0)).await.unwrap().read_at(0, 10).await.unwrap() == noise(10));
    let error = reader.create(&name(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.hint().unwrap().contains("s3:ListBucket"));
}

#[tokio::test]
async fn who_may_not_list_is_told_so() {
    let url = format!("s3://{BUCKET}/{}?endpoint={}", prefix(), endpoint());
    let store = S3Store::new(&url, &settings("dbmnolist")).unwrap();
    assert_eq!(store.list().await.unwrap_err().kind(), ErrorKind::Permission);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_named() {
    let url = format!("s3://{BUCKET}/x?endpoint=http://127.0.0.1:1&patience=1s");
    let error = S3Store::new(&url, &settings("dbmtest")).unwrap().list().await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn what_the_store_refuses_comes_with_what_to_do() {
    for (status, code, kind, hint) in [
        (400, "AuthorizationHeaderMalformed", ErrorKind::Store, "?region="),
        (301, "PermanentRedirect", ErrorKind::Store, "?region="),
        (403, "RequestTimeTooSkewed", ErrorKind::Store, "clock is wrong"),
        (403, "AccessDenied", ErrorKind::Permission, "s3:ListBucket"),
        (400, "ExpiredToken", ErrorKind::Store, "have expired"),
        (507, "InsufficientStorage", ErrorKind::NoSpace, "make room"),
    ] {
        let proxy = Proxy::start().await;
        proxy.fault(&["GET"], 100, Fault::Answer(status, code));
        let store = store_at(&proxy.endpoint, &prefix(), "&patience=1s");
        let error = store.list().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert!(error.to_string().contains(code), "{error}");
        assert!(error.hint().is_some_and(|text| text.contains(hint)), "{code}: {:?}", error.hint());
    }
}
