//! Rows and what their values are: as they are read, and in digests.

use super::*;

/// Values of one type, each the nearest that differs from the one before it.
const NEIGHBOURS: &[(&str, &[&str])] = &[
    ("tinyint", &["-128", "-127", "0", "127", "NULL"]),
    ("bigint unsigned", &["0", "18446744073709551614", "18446744073709551615"]),
    ("bigint", &["-9223372036854775808", "-9223372036854775807"]),
    ("int(5) zerofill", &["1", "10"]),
    ("decimal(65,30)", &["0.000000000000000000000000000001", "0", "-0.000000000000000000000000000001"]),
    (
        "float",
        &[
            "16777214",
            "16777215",
            "16777216",
            "0.1e0",
            "0.10000001e0",
            "1e-45",
            "0",
            "3.4028235e38",
            "3.4028233e38",
        ],
    ),
    ("float(10,4)", &["1.0001", "1.0002"]),
    (
        "double",
        &["1e0", "1.0000000000000002e0", "0.1e0", "0.1e0+0.2e0", "0.3e0", "5e-324", "1.7976931348623157e308"],
    ),
    ("double(20,3)", &["4503599627370496.001", "4503599627370497.002"]),
    ("bit(64)", &["b'0'", "b'1'", "0xFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFE"]),
    ("bit(1)", &["b'0'", "b'1'", "NULL"]),
    ("date", &["'0000-00-00'", "'2020-00-00'", "'2020-02-31'", "'9999-12-31'"]),
    ("time(6)", &["'-838:59:59.999999'", "'00:00:00.000001'", "'00:00:00'", "'-00:00:00.000001'"]),
    ("datetime(6)", &["'0000-00-00 00:00:00'", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00'"]),
    // The hour that comes twice where clocks are put back is two in UTC.
    ("timestamp(6)", &["'2020-10-25 00:30:00'", "'2020-10-25 01:30:00'", "'2020-10-25 00:30:00.000001'"]),
    ("year", &["0", "1901", "2155"]),
    ("char(5)", &["''", "'a'", "'A'", "'ä'", "NULL"]),
    (
        "varchar(5) character set utf8mb4",
        &["'a'", "'a '", "'a\\0'", "_utf8mb4 0xF09F9880", "_utf8mb4 0x61CC88", "'ä'", "'?'"],
    ),
    ("varchar(5) character set latin1", &["_latin1 0x80", "_latin1 0x81", "'?'"]),
    ("varchar(5) character set ucs2", &["_ucs2 0x00610020", "_ucs2 0x0061", "_ucs2 0x6100"]),
    ("varchar(5) character set sjis", &["_sjis 0x815C", "_sjis 0x8160", "'?'"]),
    ("varchar(5) character set binary", &["0x00", "0x0000", "''", "0xFF"]),
    ("binary(3)", &["''", "0x01", "0x000001", "0x20"]),
    ("blob", &["''", "0x00", "0x0A", "0x5C30"]),
    ("longtext", &["'null'", "NULL", "''", "'\\\\N'", "'\\n'", "'\\r\\n'"]),
    ("json", &["'1'", "'1.0'", "'\"1\"'", "'null'", "NULL", "'{\"a\": 1}'", "'{\"a\":1}'"]),
    ("enum('','a','1')", &["''", "'a'", "'1'", "NULL"]),
    ("set('a','b','')", &["'a'", "'b'", "'a,b'", "''", "NULL"]),
    ("geometry", &["POINT(1,1)", "POINT(1,1.0000000000000002)", "ST_GeomFromText('POINT(1 1)', 4326)"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000001'", "'10000000-0000-0000-0000-000000000000'", "NULL"]),
    ("inet6", &["'::1'", "'::2'", "'::ffff:1.2.3.4'", "'::1.2.3.4'"]),
    ("inet4", &["'0.0.0.0'", "'0.0.0.1'"]),
];

#[tokio::test]
async fn neighbouring_values_of_every_type_have_different_digests() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'").await.unwrap();
    let mut tables = Vec::new();
    let mariadb = server.connect(None).await.unwrap().flavour() == Flavour::MariaDb;
    let known = |kind: &str| mariadb || !["uuid", "inet6", "inet4"].contains(&kind);
    for (place, (kind, values)) in NEIGHBOURS.iter().enumerate().filter(|(_, (kind, _))| known(kind)) {
        // MySQL keeps documents, and MariaDB their text.
        let written_otherwise = |value: &str| !mariadb && value == "'{\"a\":1}'";
        for (number, value) in values.iter().enumerate().filter(|(_, value)| !written_otherwise(value)) {
            let name = format!("t_{place:02}_{number}");
            session.execute(&format!("CREATE TABLE {name} (v {kind} NULL)")).await.unwrap();
            session
                .execute(&format!("INSERT INTO {name} VALUES ({value})"))
                .await
                .unwrap_or_else(|e| panic!("{kind} {value}: {e}"));
            tables.push((name, *kind, *value));
        }
    }
    let digests = server.digests().await.unwrap();
    let of = |name: &str| digests.iter().find(|(id, _)| id.name == name).unwrap().1;
    for (place, (name, kind, value)) in tables.iter().enumerate() {
        assert_eq!(of(name).rows, 1);
        for (other, _, second) in tables[place + 1..].iter().filter(|(_, other, _)| other == kind) {
            assert_ne!(of(name).digest, of(other).digest, "{kind}: {value} and {second}");
        }
    }
}

/// The values of a query's rows, and whether they came as the server keeps them.
async fn read(connection: &mut Connection, sql: &str) -> (Vec<Vec<Option<String>>>, bool) {
    let mut rows = values::Rows::of(connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let kept = matches!(rows.form, values::Form::Kept(_));
    let (mut room, mut found) = (values::Room::default(), Vec::new());
    while let Some(row) = rows.next().await.unwrap() {
        let text = |value: Option<&[u8]>| value.map(|value| value.escape_ascii().to_string());
        found.push(room.values(&row).iter().map(text).collect());
    }
    rows.end().await.unwrap();
    (found, kept)
}

/// Reads a query's rows both ways, which must be the same.
async fn read_both_ways(connection: &mut Connection, sql: &str) -> bool {
    let (found, kept) = read(connection, sql).await;
    let (printed, otherwise) = read(connection, &format!("{sql} /* ? */")).await;
    assert!(!otherwise && !printed.is_empty());
    for (ours, theirs) in found.iter().zip(&printed) {
        assert_eq!(ours, theirs, "{sql}");
    }
    assert_eq!(found.len(), printed.len());
    kept
}

#[tokio::test]
async fn values_are_printed_as_the_server_prints_them() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'").await.unwrap();
    let mut connection = server.connect(None).await.unwrap();
    rows::set_up(&mut connection, "").await.unwrap();
    let mariadb = connection.flavour() == Flavour::MariaDb;
    let more: Vec<(String, Vec<&str>)> = (0..=6)
        .flat_map(|decimals| {
            let (day, odd) = ("'2020-02-29 23:59:59.987654'", "'-0:00:00.5'");
            let times = vec!["'838:59:59'", "'-100:01:02.345678'", "'9:08:07.000009'", odd, "0", "NULL"];
            [
                (format!("datetime({decimals})"), vec![day, "'0001-01-01'", "'0000-00-00'", "NULL"]),
                (format!("timestamp({decimals})"), vec![day, "'1970-01-02 03:04:05'"]),
                (format!("time({decimals})"), times),
            ]
        })
        .chain(["tinyint", "smallint", "mediumint", "int", "bigint"].into_iter().flat_map(|kind| {
            let all = vec!["0", "-1", "127", "NULL"];
            [(kind.to_owned(), all), (format!("{kind} unsigned"), vec!["0", "255", "9"])]
        }))
        .collect();
    let known = NEIGHBOURS.iter().map(|(kind, values)| ((*kind).to_owned(), values.to_vec()));
    for (number, (kind, values)) in known.chain(more).enumerate() {
        if !mariadb && ["uuid", "inet6", "inet4"].contains(&kind.as_str()) {
            continue;
        }
        let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        let table = format!("t_{number}");
        session.execute(&format!("CREATE TABLE {table} (v {kind} NULL)")).await.unwrap();
        session.execute(&format!("INSERT INTO {table} VALUES {}", values.join(","))).await.unwrap();
        let mut column = rows::RowColumn { name: "v".into(), read: rows::Read::Text, charset: String::new() };
        if kind == "double" {
            column.read = rows::Read::Double;
        } else if kind.starts_with("float") || kind.starts_with("double") {
            column.read = rows::Read::Float;
        } else if kind.starts_with("enum") || kind.starts_with("set") {
            column.read = rows::Read::Choice;
        }
        let kept =
            read_both_ways(&mut connection, &format!("SELECT {} FROM {table}", column.expression())).await;
        let here =
            ["int", "double", "datetime(6)", "time(0)", "timestamp(3)", "date", "json", "blob", "bit(64)"];
        assert!(kept || !here.contains(&kind.as_str()), "{kind} comes as the server prints it");
    }
}

#[tokio::test]
async fn numbers_with_a_point_are_printed_as_the_server_prints_them() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v double)").await.unwrap();
    // Powers of two have the most digits, and lie between two shortest ones; powers of ten have the fewest.
    let mut all: Vec<f64> = (0..2047_u64).map(|exponent| f64::from_bits(exponent << 52)).collect();
    all.extend((0..52).map(|bit| f64::from_bits(1 << bit)));
    for neighbour in all.clone() {
        all.extend([neighbour.next_up(), neighbour.next_down()]);
    }
    for exponent in -323..=308 {
        let digits = ["1", "9.5", "1.2345678901234567", "9.999999999999999", "1.23456789012345"];
        all.extend(digits.map(|digits| format!("{digits}e{exponent}").parse::<f64>().unwrap()));
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..4000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.extend([f64::from_bits(seed), (seed >> 40) as f64 / 1000.0, (seed >> 12) as f64]);
    }
    all.extend([0.0, f64::MAX, f64::MIN_POSITIVE, 0.1 + 0.2]);
    all.retain(|number| number.is_finite());
    for some in all.chunks(5000) {
        let values: Vec<String> = some.iter().map(|number| format!("({number:e}),(-({number:e}))")).collect();
        session.execute(&format!("INSERT INTO t (v) VALUES {}", values.join(","))).await.unwrap();
    }
    let mut connection = server.connect(None).await.unwrap();
    assert!(read_both_ways(&mut connection, "SELECT v FROM t ORDER BY id").await);
    assert!(read_both_ways(&mut connection, "SELECT CAST(v AS DOUBLE) FROM t ORDER BY id").await);
    // Archives have been made of both.
    let (plain, _) = read(&mut connection, "SELECT v FROM t ORDER BY id").await;
    assert!(plain == read(&mut connection, "SELECT CAST(v AS DOUBLE) FROM t ORDER BY id").await.0);
}

#[tokio::test]
async fn a_server_without_prepared_statements_prints_its_rows() {
    let own = testing::own("--event-scheduler=ON").await;
    let mut connection = own.server.connect(None).await.unwrap();
    connection.batch("SET GLOBAL max_prepared_stmt_count = 0", "").await.unwrap();
    let (rows, kept) = read(&mut connection, "SELECT 1, 0.5e0").await;
    assert_eq!((rows, kept), (vec![vec![Some("1".to_owned()), Some("0.5".to_owned())]], false));
    let refused = values::Rows::of(&mut connection, "SELECT nothing").await.unwrap_err();
    assert!(refused.to_string().contains("nothing"), "{refused}");
}

#[tokio::test]
async fn history_counts_in_a_digest_and_generated_columns_do_not() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    // MySQL has no history.
    let versioned = if session.flavour() == Flavour::MariaDb { " WITH SYSTEM VERSIONING" } else { "" };
    let versioned =
        format!("CREATE TABLE t (a int PRIMARY KEY, b int){versioned}; INSERT INTO t VALUES (1, 1)");
    session.execute(&versioned).await.unwrap();
    let digest = |digests: std::collections::BTreeMap<crate::ObjectId, crate::TableDigest>| {
        *digests.values().next().unwrap()
    };
    let before = digest(server.digests().await.unwrap());
    session.execute("UPDATE t SET b = 2; UPDATE t SET b = 1").await.unwrap();
    let after = digest(server.digests().await.unwrap());
    let rows = if session.flavour() == Flavour::MariaDb { 3 } else { 1 };
    assert_eq!((before.rows, after.rows), (1, rows));
    session.execute("DROP TABLE t; CREATE TABLE t (a int, g int AS (a + 1) STORED); INSERT INTO t (a) VALUES (2), (1), (1)").await.unwrap();
    let plain = digest(server.digests().await.unwrap());
    session
        .execute("DROP TABLE t; CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (1)")
        .await
        .unwrap();
    assert_eq!(plain, digest(server.digests().await.unwrap()));
    let mut shared = server.session().await.unwrap();
    shared.begin_run(&entry("one", 0)).await.unwrap();
    assert_eq!(server.digests().await.unwrap().len(), 1);
}
