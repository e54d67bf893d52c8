use database::mysql::{Connection, Flavour, Server, digest, rows};
use database::{Engine, RowsRead, quote};

use super::*;
use crate::mysql::dump::key::{self, KeyKind};
use crate::mysql::dump::plan::Piece;
use crate::mysql::dump::rows::Target;
use crate::mysql::testing::{fresh, is_mariadb, run};

/// How many shares each table is cut into here.
const NUMBER: usize = 12;

fn key_of(names: &[&str]) -> Vec<KeyColumn> {
    names.iter().map(|name| KeyColumn { name: (*name).to_owned(), kind: KeyKind::Integer }).collect()
}

fn range(border: &[&str], weight: u64) -> Range {
    Range {
        border: border.iter().map(ToString::to_string).collect(),
        fixed: Vec::new(),
        least: Vec::new(),
        most: Vec::new(),
        weight,
        depth: 0,
        whole: false,
    }
}

#[test]
fn shares_leave_no_key_out() {
    let conditions = |ranges: &[Range], number| -> Vec<String> {
        joined(&key_of(&["a", "b", "c"]), ranges, number).into_iter().map(|share| share.condition).collect()
    };
    assert_eq!(conditions(&[range(&[], 9)], 4), [""]);
    let light = [range(&[], 2), range(&["1"], 1), range(&["5"], 1), range(&["9"], 4)];
    assert_eq!(conditions(&light, 2), ["a < 9", "a >= 9"]);
    let deep = [range(&[], 1), range(&["5", "7"], 1), range(&["5", "7", "9"], 1), range(&["6"], 1)];
    assert_eq!(
        conditions(&deep, 4),
        [
            "(a < 5 OR a = 5 AND b < 7)",
            "(a > 5 OR a = 5 AND b >= 7) AND (a < 5 OR a = 5 AND (b < 7 OR b = 7 AND c < 9))",
            "(a > 5 OR a = 5 AND (b > 7 OR b = 7 AND c >= 9)) AND a < 6",
            "a >= 6",
        ]
    );
}

#[test]
fn shares_are_about_as_heavy_as_asked_for() {
    let ranges: Vec<Range> =
        (0..1000).map(|n| range(if n == 0 { &[] } else { &["1"] }, 1 + (n * 7919) % 10)).collect();
    let shares = joined(&key_of(&["a"]), &ranges, 10);
    let all: u64 = shares.iter().map(|share| share.weight).sum();
    assert_eq!(all, ranges.iter().map(|range| range.weight).sum::<u64>());
    assert!((10..=11).contains(&shares.len()), "{}", shares.len());
    assert!(shares.iter().all(|share| share.weight <= all / 9));
    let heavy = [range(&[], 1), range(&["1"], u64::MAX), range(&["2"], 1)];
    assert_eq!(joined(&key_of(&["a"]), &heavy, 5).len(), 3);
}

/// How a table of the database is cut into shares.
async fn cut(server: &Server, table: &str) -> (Target, Vec<Share>, Connection) {
    let schema = server.schema().await.unwrap();
    let (id, found) = schema.tables_with_rows().find(|(id, _)| id.name == table).unwrap();
    let target = Target::new(id, found);
    let key = key::columns(&schema, &target);
    let mut connection = server.connect(None).await.unwrap();
    rows::set_up(&mut connection, "").await.unwrap();
    let name = quote::identifier(Engine::Mysql, table);
    let shares = match key.is_empty() {
        true => Vec::new(),
        false => shares(&mut connection, &name, &key, NUMBER).await.unwrap(),
    };
    (target, shares, connection)
}

/// Passes if a table's shares are all of its rows, each once and by the key; gives the shares and how many rows each has.
async fn is_cut_whole(server: &Server, table: &str) -> (Vec<Share>, Vec<u64>) {
    let (target, shares, mut connection) = cut(server, table).await;
    let whole = digest::of(&mut connection, &target.id, &target.table, "").await.unwrap();
    let mut read = RowsRead::default();
    let mut sizes = Vec::new();
    for share in &shares {
        let rest = Piece { table: 0, range: share.condition.clone(), bytes: 0 }.rest(None);
        let of_share = digest::of(&mut connection, &target.id, &target.table, &rest).await.unwrap();
        sizes.push(of_share.carried.rows);
        read.merge(of_share);
        let sql = format!("EXPLAIN FORMAT=TRADITIONAL {}", rows::select(&target.id, &target.table, &rest));
        let explained = connection.query(&sql, "").await.unwrap();
        let place = if connection.flavour() == Flavour::MySql { 4 } else { 3 };
        let kind = explained[0][place].as_deref();
        let by_range = share.condition.is_empty() || matches!(kind, Some("range" | "const" | "ref"));
        assert!(by_range, "{table}: {rest}: {explained:?}");
    }
    if !shares.is_empty() {
        assert_eq!(read.carried, whole.carried, "{table}: {shares:#?}");
    }
    (shares, sizes)
}

/// The same, and no share is much larger than the others.
async fn is_cut_well(server: &Server, table: &str) {
    let (shares, sizes) = is_cut_whole(server, table).await;
    let (all, largest) = (sizes.iter().sum::<u64>(), sizes.iter().max().copied().unwrap_or_default());
    assert!(shares.len() * 3 >= NUMBER * 2, "{table}: {sizes:?}");
    assert!(largest * NUMBER as u64 * 2 <= all * 5, "{table}: {sizes:?} {shares:#?}");
}

/// Makes a table of 20,000 rows, whose key is made of the number `n`, and which is cut well.
async fn of_numbers(server: &Server, table: &str, definition: &str, columns: &str, values: &str) {
    run(
        server,
        &format!(
            "CREATE TABLE {table} ({definition}; INSERT INTO {table} ({columns}, pad) SELECT {values}, REPEAT('x', 150) FROM numbers; ANALYZE TABLE {table}"
        ),
    )
    .await;
    is_cut_well(server, table).await;
}

async fn with_numbers() -> Server {
    let server = fresh().await;
    run(
        &server,
        "CREATE TABLE ten (n int); INSERT INTO ten VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
         CREATE TABLE numbers (n int PRIMARY KEY);
         INSERT INTO numbers SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 FROM ten a, ten b, ten c, ten d, ten e WHERE e.n < 2",
    )
    .await;
    server
}

#[tokio::test]
async fn keys_of_integers() {
    let server = with_numbers().await;
    let one = async |table: &str, kind: &str, value: &str| {
        let definition = format!("k {kind} PRIMARY KEY, pad char(200))");
        of_numbers(&server, table, &definition, "k", value).await;
    };
    one("dense", "int", "n").await;
    one("far_above", "bigint unsigned", "IF(n = 0, 9223372036854775808, n)").await;
    one("at_the_top", "bigint unsigned", "IF(n = 0, 18446744073709551615, n)").await;
    one("far_below", "bigint", "IF(n = 0, -9223372036854775808, n)").await;
    one(
        "both_ends",
        "bigint",
        "CASE n WHEN 0 THEN -9223372036854775808 WHEN 1 THEN 9223372036854775807 ELSE -n END",
    )
    .await;
    one("skewed", "bigint", "IF(n < 100, n * 10000000000000000, 5000000000000000 + n)").await;
}

#[tokio::test]
async fn keys_of_several_columns() {
    let server = with_numbers().await;
    let pair = "tenant int, id int, pad char(200), PRIMARY KEY (tenant, id))";
    of_numbers(&server, "one_tenant", pair, "tenant, id", "7, n").await;
    of_numbers(&server, "unequal", pair, "tenant, id", "IF(n < 3, 1, IF(n < 18000, 2, 3)), n").await;
    of_numbers(&server, "many", pair, "tenant, id", "n DIV 5, n").await;
    let three =
        "a varchar(20) CHARACTER SET latin1, b int, c binary(16), pad char(200), PRIMARY KEY (a, b, c))";
    let hash = "UNHEX(LEFT(SHA2(n, 256), 32))";
    of_numbers(&server, "three", three, "a, b, c", &format!("'order.created', 5, {hash}")).await;
    // Two that are one to the collation.
    let values = "IF(n % 2, 'Tenant', 'TENANT'), n";
    of_numbers(
        &server,
        "cases",
        "a varchar(20) COLLATE utf8mb4_general_ci, b int, pad char(200), PRIMARY KEY (a, b))",
        "a, b",
        values,
    )
    .await;
    let values = "ELT(1 + n % 4, 'Tenant', 'TENANT', 'other', 'ä'), n";
    of_numbers(
        &server,
        "binary_cases",
        "a varchar(20) COLLATE utf8mb4_bin, b int, pad char(200), PRIMARY KEY (a, b))",
        "a, b",
        values,
    )
    .await;
    let values = "'2020-01-01' + INTERVAL n DIV 10000 DAY, n";
    of_numbers(&server, "days", "a date, b int, pad char(200), PRIMARY KEY (a, b))", "a, b", values).await;
    of_numbers(&server, "backwards", "a int, b int, pad char(200), PRIMARY KEY (a, b DESC))", "a, b", "n, n")
        .await;
    of_numbers(&server, "a_part", "a int, b text, pad char(200), PRIMARY KEY (a, b(5)))", "a, b", "n, n")
        .await;
    let in_partitions = "a int, b int, pad char(200), PRIMARY KEY (a, b)) PARTITION BY HASH (b) PARTITIONS 4";
    of_numbers(&server, "in_partitions", in_partitions, "a, b", "1, n").await;
    if !is_mariadb() {
        let generated = "a int, g int AS (a) STORED, pad char(200), PRIMARY KEY (g))";
        of_numbers(&server, "computed", generated, "a", "n").await;
        run(
            &server,
            "SET SESSION sql_generate_invisible_primary_key = 1; CREATE TABLE invisible (pad char(200));
                INSERT INTO invisible SELECT REPEAT('x', 150) FROM numbers; ANALYZE TABLE invisible",
        )
        .await;
        is_cut_well(&server, "invisible").await;
    }
}

#[tokio::test]
async fn keys_of_text_bytes_and_time() {
    let server = with_numbers().await;
    let one = async |table: &str, kind: &str, value: &str| {
        let definition = format!("k {kind} PRIMARY KEY, pad char(200))");
        of_numbers(&server, table, &definition, "k", value).await;
    };
    let hash = "SHA2(n, 256)";
    one("bytes", "binary(16)", &format!("UNHEX(LEFT({hash}, 32))")).await;
    one("some_bytes", "varbinary(20)", "CONCAT(x'00FF', n)").await;
    one("hex", "char(32) CHARACTER SET latin1", &format!("LEFT({hash}, 32)")).await;
    one("hex_upper", "char(32) CHARACTER SET ascii COLLATE ascii_bin", &format!("UPPER(LEFT({hash}, 32))"))
        .await;
    one("prefixed", "varchar(40)", "CONCAT('https://shop.example/items/', n)").await;
    one("padded", "char(40) COLLATE utf8mb4_unicode_ci", "CONCAT('it''s\\\\', LPAD(n, 9, '0'))").await;
    one(
        "base64",
        "varchar(60) COLLATE utf8mb4_bin",
        &format!("REPLACE(TO_BASE64(UNHEX({hash})), '\\n', '')"),
    )
    .await;
    one(
        "cyrillic",
        "varchar(40) COLLATE utf8mb4_unicode_ci",
        "CONCAT(ELT(1 + n % 5, 'Анна', 'Борис', 'вера', 'Яна', 'олег'), n)",
    )
    .await;
    one("german", "varchar(40) CHARACTER SET latin1", "CONCAT(ELT(1 + n % 3, 'Ärger', 'z', 'Übel'), n)")
        .await;
    one("moments", "datetime(3)", "IF(n = 0, '1000-01-01', '2024-02-28') + INTERVAL n SECOND").await;
    one("stamps", "timestamp", "'2024-02-28' + INTERVAL n HOUR").await;
}

/// Where the server's key and its comparison have texts in different orders, or a border is longer than the column, rows
/// between the two would be in no share.
#[tokio::test]
async fn no_collation_loses_rows() {
    let server = fresh().await;
    let letters = ('0'..='9').chain('A'..='Z').chain('a'..='z').chain("ßäéп\t\r -_".chars());
    let letters: Vec<String> = letters.map(|letter| format!("('{letter}')")).collect();
    run(
        &server,
        &format!(
            "CREATE TABLE letters (l varchar(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin); INSERT INTO letters VALUES {}",
            letters.join(", ")
        ),
    )
    .await;
    let mut collations = vec![
        "utf8mb4_bin",
        "utf8mb4_german2_ci",
        "utf8mb4_unicode_520_ci",
        "tis620_thai_ci",
        "latin1_german2_ci",
    ];
    collations.extend(match is_mariadb() {
        true => &["utf8mb4_nopad_bin", "utf8mb4_unicode_nopad_ci", "utf8mb4_general_nopad_ci"][..],
        false => &["utf8mb4_0900_as_cs", "utf8mb4_0900_ai_ci", "utf8mb4_zh_0900_as_cs", "utf8mb4_0900_bin"],
    });
    let mut cut = 0;
    for collation in collations {
        for kind in ["char(2)", "varchar(2)", "char(8)", "varchar(8)"] {
            run(
                &server,
                &format!(
                    "CREATE TABLE t (k {kind} COLLATE {collation} PRIMARY KEY);
                     INSERT IGNORE INTO t SELECT CONCAT(a.l, b.l) FROM letters a, letters b; ANALYZE TABLE t"
                ),
            )
            .await;
            cut += is_cut_whole(&server, "t").await.0.len();
            run(&server, "DROP TABLE t").await;
        }
    }
    assert!(cut > 10 * NUMBER, "{cut}");
}

/// What cannot be cut is one share, or has no key to cut it by.
#[tokio::test]
async fn what_cannot_be_cut_stays_whole() {
    let server = with_numbers().await;
    run(
        &server,
        "CREATE TABLE decimals (k decimal(9,2) PRIMARY KEY); INSERT INTO decimals SELECT n FROM numbers;
         CREATE TABLE parts (k text CHARACTER SET latin1, PRIMARY KEY (k(9))); INSERT INTO parts SELECT n FROM numbers;
         CREATE TABLE hashed (k int PRIMARY KEY) ENGINE = MEMORY; INSERT INTO hashed SELECT n FROM numbers;
         CREATE TABLE backwards (k int, b int, PRIMARY KEY (k, b DESC)); INSERT INTO backwards SELECT 1, n FROM numbers;
         CREATE TABLE no_rows (k int PRIMARY KEY);
         CREATE TABLE wide (k char(9) CHARACTER SET utf16 PRIMARY KEY); INSERT INTO wide SELECT n FROM numbers;
         CREATE TABLE one (k int PRIMARY KEY); INSERT INTO one VALUES (1);
         SET sql_mode = 'ALLOW_INVALID_DATES';
         CREATE TABLE no_days (k date PRIMARY KEY); INSERT INTO no_days VALUES ('0000-00-00'), ('2020-01-01'), ('2020-02-31')",
    )
    .await;
    for table in ["decimals", "parts", "hashed", "backwards", "no_rows", "wide", "one", "no_days"] {
        let (_, shares, _) = cut(&server, table).await;
        assert!(shares.iter().all(|share| share.condition.is_empty()), "{table}: {shares:?}");
        assert!(shares.len() < 2, "{table}: {shares:?}");
    }
}
