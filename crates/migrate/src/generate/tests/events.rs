//! Events, of which the server writes down when they were made.

use super::*;

#[tokio::test]
async fn an_event_without_a_beginning_means_no_moment() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Mysql, folder.path());
    let event = |starts: &str, what: &str| {
        format!(
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY {starts} COMMENT 'STARTS' DO SELECT {what} /* STARTS '2019-01-01' */;"
        )
    };
    let old = event("STARTS '2020-01-01 00:00:00'", "1");
    let plain = event("", "1");
    for (from, to) in [(&old, &plain), (&plain, &old), (&plain, &plain)] {
        let generated = Box::pin(generate(&on, &[from], to)).await.unwrap();
        assert!(generated.drafts.is_empty(), "{from} to {to}: {:?}", generated.drafts);
    }
    let generated = Box::pin(generate(&on, &[&plain], &event("", "2"))).await.unwrap();
    for text in [&generated.drafts[0].up, &generated.drafts[0].down] {
        assert!(text.contains("EVERY 1 DAY ON COMPLETION"), "it begins when it is made: {text}");
    }
    // One that is said is meant.
    let generated =
        Box::pin(generate(&on, &[&old], &event("STARTS '2021-01-01 00:00:00'", "1"))).await.unwrap();
    assert!(generated.drafts[0].up.contains("STARTS '2021-01-01 00:00:00'"), "{}", generated.drafts[0].up);
}
