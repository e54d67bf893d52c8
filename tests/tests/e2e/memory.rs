//! Memory is bounded, whatever the size of the database.

use tests::{Bucket, Folder, Mariadb, Postgres, Sqlite};

/// The bound for two jobs and rows up to 4 MiB, in KiB.
const BOUND: u64 = 128 * 1024;

#[test]
fn postgres_stays_under_the_bound() {
    let database = Postgres::new("memory");
    // 300 MB of small rows in one table, and rows of just under 4 MiB in another, neither of which compresses away.
    database.run(
        "CREATE TABLE small (id BIGINT, body TEXT);
         INSERT INTO small SELECT i, md5(i::text) || md5((i * 7)::text) || md5((i * 31)::text)
             FROM generate_series(1, 2500000) i;
         CREATE TABLE wide (id BIGINT, body TEXT);
         ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
         INSERT INTO wide SELECT i, (SELECT string_agg(md5((i * 1000003 + n)::text), '') FROM generate_series(1, 130000) n)
             FROM generate_series(1, 20) i;",
    );
    let url = database.url();
    let folder = Folder::new(&url);
    let (ended, peak) = folder.dbm(&url, &["backup", "--jobs", "2"]).run_measured();
    ended.expect(0);
    println!("backup of 300 MB of small rows and 20 rows of 4 MiB: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "backup took {peak} KiB");
    let (ended, peak) =
        folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect", "--jobs", "2"]).run_measured();
    ended.expect(0);
    println!("its restore: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "restore took {peak} KiB");
    let bucket = Bucket::new("memory");
    let (ended, peak) = bucket.dbm(&folder, &url, &["backup", "--jobs", "2"]).run_measured();
    ended.expect(0);
    println!("backup to S3: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "backup to S3 took {peak} KiB");
    let arguments = ["restore", "latest", "--yes", "--disconnect", "--jobs", "2"];
    let (ended, peak) = bucket.dbm(&folder, &url, &arguments).run_measured();
    ended.expect(0);
    println!("its restore: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "restore from S3 took {peak} KiB");
}

#[test]
fn mariadb_stays_under_the_bound() {
    let database = Mariadb::new("memory");
    // Rows of just under 4 MiB, of which a table of many columns brings as many of the driver's buffers along, and small ones.
    let columns: String = (0..30).map(|column| format!("c{column} INT DEFAULT {column}, ")).collect();
    database.run(&format!(
        "SET SESSION group_concat_max_len = 16000000;
         CREATE TABLE small (id BIGINT PRIMARY KEY, body VARBINARY(1024));
         CREATE TABLE n (n INT); INSERT INTO n VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
         CREATE TABLE thousand AS SELECT 100 * a.n + 10 * b.n + c.n AS n FROM n a, n b, n c;
         INSERT INTO small SELECT 1000 * a.n + b.n, RANDOM_BYTES(1000) FROM thousand a, thousand b WHERE a.n < 40;
         CREATE TABLE wide (id BIGINT PRIMARY KEY, {columns} body LONGBLOB);
         INSERT INTO wide (id, body) SELECT w.n, (SELECT GROUP_CONCAT(RANDOM_BYTES(1000) SEPARATOR '')
             FROM thousand a, n b WHERE 1000 * b.n + a.n < 4190 AND w.n >= 0) FROM thousand w WHERE w.n < 30;
         DROP TABLE n; DROP TABLE thousand;"
    ));
    let url = database.url();
    let (folder, bucket) = (Folder::new(&url), Bucket::new("memory"));
    for (place, store) in [("a folder", None), ("S3", Some(&bucket))] {
        for arguments in
            [["backup", "--jobs", "2"].as_slice(), &["restore", "latest", "--yes", "--jobs", "2"]]
        {
            let call = match store {
                None => folder.dbm(&url, arguments),
                Some(bucket) => bucket.dbm(&folder, &url, arguments),
            };
            let (ended, peak) = call.run_measured();
            ended.expect(0);
            println!(
                "{} of 40 MB of small rows and 30 rows of 4 MiB, {place}: peak {} MiB",
                arguments[0],
                peak / 1024
            );
            assert!(peak < BOUND, "{} took {peak} KiB", arguments[0]);
        }
    }
}

#[test]
fn sqlite_stays_under_the_bound() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("big.db"),
        "CREATE TABLE small (id INTEGER PRIMARY KEY, body BLOB);
         INSERT INTO small WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)
             SELECT i, randomblob(1000) FROM n;",
    );
    let (ended, peak) = folder.dbm(&database.url(), &["backup"]).run_measured();
    ended.expect(0);
    println!("backup of 250 MB: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "backup took {peak} KiB");
    let (ended, peak) = folder.dbm(&database.url(), &["restore", "latest", "--yes"]).run_measured();
    ended.expect(0);
    println!("its restore: peak {} MiB", peak / 1024);
    assert!(peak < BOUND, "restore took {peak} KiB");
}

#[test]
fn one_value_of_200_megabytes() {
    let database = Postgres::new("huge");
    database.run(
        "CREATE TABLE huge (id BIGINT, body TEXT);
         INSERT INTO huge SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 6553600) i;",
    );
    let url = database.url();
    let sum = database.ask("SELECT md5(body), length(body) FROM huge");
    let folder = Folder::new(&url);
    let (ended, peak) = folder.dbm(&url, &["backup"]).run_measured();
    ended.expect(0);
    // A row that is larger than a part is a part alone: it is held as read, and once more compressed.
    println!("backup of a value of 200 MiB: peak {} MiB", peak / 1024);
    assert!(peak < 5 * 200 * 1024, "backup took {peak} KiB");
    database.run("DELETE FROM huge");
    let (ended, peak) = folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect"]).run_measured();
    ended.expect(0);
    println!("its restore: peak {} MiB", peak / 1024);
    assert!(peak < 5 * 200 * 1024, "restore took {peak} KiB");
    assert_eq!(database.ask("SELECT md5(body), length(body) FROM huge"), sum);
}
