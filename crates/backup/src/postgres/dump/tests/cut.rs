//! A script that is cut anywhere makes psql fail and leaves nothing.

use super::*;

/// Everything that psql could have left, counted.
fn left(fresh: &Fresh) -> String {
    fresh.sql(
        "SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) \
         + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384) + (SELECT count(*) FROM pg_largeobject_metadata)",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_is_cut() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TABLE a (n integer, t text);
         INSERT INTO a SELECT g, repeat('x''\\y' || g, 20) FROM generate_series(1, 500) g;
         CREATE TABLE \"b \\! :c\" (n serial, d date);
         INSERT INTO \"b \\! :c\" SELECT g, '2026-01-01' FROM generate_series(1, 300) g;",
    );
    let backup = back_up(&fresh, 2).await;
    let script = backup.script();
    let archive = backup.open().await;
    let mut cuts = vec![script.len() - 1];
    let mut end = 0;
    for part in &archive.index().parts {
        end += usize::try_from(part.bytes).unwrap();
        cuts.extend([end - 1, end, end + 1]);
    }
    assert_eq!(end, script.len());
    // Evenly spread over all of it, at places that differ from run to run.
    let seed = usize::try_from(std::process::id()).unwrap();
    cuts.extend((0..200).map(|n| (n * script.len() / 200 + seed % (script.len() / 200)) % script.len()));
    let first_line = script.iter().position(|&byte| byte == b'\n').unwrap();
    let commit = script.len() - b"COMMIT;\n\\endif\n".len();
    cuts.retain(|&cut| cut < script.len());
    let target = Fresh::new();
    for cut in cuts {
        let output = psql(&target.name, &[], &script[..cut]);
        if cut <= first_line {
            assert_eq!(left(&target), "0\n", "cut at {cut}");
        } else if cut == script.len() - 1 {
            // Only the last newline is missing: all is there.
            assert!(output.status.success());
        } else {
            assert!(!output.status.success(), "cut at {cut} of {}: psql is content", script.len());
        }
        if cut < commit {
            assert_eq!(left(&target), "0\n", "cut at {cut} of {}", script.len());
        } else {
            target.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;");
            assert_eq!(left(&target), "1\n");
            target.sql("DROP SCHEMA public CASCADE");
            target.maintain(&format!("DROP DATABASE {0} WITH (FORCE)", target.name));
            target.maintain(&format!("CREATE DATABASE {0} TEMPLATE template0", target.name));
        }
    }
}
