//! Every type's edge values: neighbours are told apart, and all come back bit for bit.

use super::archives::Place;
use super::tools::{psql, restore_by_hand, same, same_text};
use super::{database, fresh, name};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

const TYPES: &str = r"
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'a\b', '');
CREATE TYPE pair AS (a integer, b text, c mood[]);
CREATE DOMAIN tags AS text[] CHECK (array_length(VALUE, 1) < 9);
CREATE DOMAIN pairs AS pair[];
CREATE DOMAIN short AS varchar(5) NOT NULL;
CREATE TYPE span AS RANGE (subtype = float8, multirange_type_name = spans);
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TABLE named (n int);";

/// A type, and two values that are next to each other or easily taken for one another.
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("boolean", "true", "false"),
    ("boolean", "false", "NULL"),
    ("smallint", "'-32768'", "'-32767'"),
    ("integer", "'-2147483648'", "'-2147483647'"),
    ("bigint", "'9223372036854775807'", "'9223372036854775806'"),
    ("numeric", "'NaN'", "'Infinity'"),
    ("numeric", "'-Infinity'", "'Infinity'"),
    ("numeric", "1.5", "1.50"),
    ("numeric", "('1' || repeat('0', 131000) || '1')::numeric", "('1' || repeat('0', 131001))::numeric"),
    (
        "numeric",
        "('0.' || repeat('0', 16000) || '1')::numeric",
        "('0.' || repeat('0', 16000) || '2')::numeric",
    ),
    ("numeric(5,-2)", "'12300'", "'12400'"),
    ("real", "'3.4028235e38'", "'3.4028233e38'"),
    ("real", "'1e-45'", "'3e-45'"),
    ("real", "'0'", "'-0'"),
    ("real", "'NaN'", "'Infinity'"),
    ("double precision", "0.1::float8 + 0.2::float8", "'0.3'"),
    ("double precision", "'1.7976931348623157e308'", "'1.7976931348623155e308'"),
    ("double precision", "'1e-308'", "'1.0000000000000002e-308'"),
    ("double precision", "'5e-324'", "'0'"),
    ("double precision", "'0'", "'-0'"),
    ("double precision", "'-Infinity'", "'NaN'"),
    ("money", "'-92233720368547758.08'", "'-92233720368547758.07'"),
    ("date", "'infinity'", "'-infinity'"),
    ("date", "'4713-01-01 BC'", "'4713-01-02 BC'"),
    ("date", "'5874897-12-31'", "'5874897-12-30'"),
    ("date", "'0001-01-01 BC'", "'0001-01-01'"),
    ("time", "'24:00:00'", "'23:59:59.999999'"),
    ("time", "'00:00:00'", "'24:00:00'"),
    ("timetz", "'00:00:00+15:59:59'", "'00:00:00-15:59:59'"),
    ("timetz", "'12:00+00'", "'13:00+01'"),
    ("timestamp", "'294276-12-31 23:59:59.999999'", "'294276-12-31 23:59:59.999998'"),
    ("timestamp", "'4713-01-01 00:00:00 BC'", "'4713-01-01 00:00:00.000001 BC'"),
    ("timestamp", "'infinity'", "'-infinity'"),
    ("timestamptz", "'294276-12-31 23:59:59.999999+00'", "'294276-12-31 23:59:59.999998+00'"),
    ("timestamptz", "'0044-03-15 12:00:00+00 BC'", "'0044-03-15 12:00:00+00'"),
    ("timestamptz", "'2026-10-25 02:30:00+01'", "'2026-10-25 02:30:00+02'"),
    ("timestamptz", "'infinity'", "'-infinity'"),
    ("interval", "'1 month'", "'30 days'"),
    ("interval", "'1 day'", "'24 hours'"),
    ("interval", "'178000000 years'", "'178000000 years -1 month'"),
    ("interval", "'-1 day 2 hours'", "'-1 day -2 hours'"),
    ("interval", "'1 mon -1 day'", "'-1 mon 1 day'"),
    (
        "interval",
        "'-2147483648 mons -2147483648 days -00:00:00.000001'",
        "'-2147483648 mons -2147483648 days'",
    ),
    ("text", "''", "NULL"),
    ("text", "'\\N'", "NULL"),
    ("text", "'\\.'", "'.'"),
    ("text", "'\\\\.'", "'\\.'"),
    ("text", "E'\\r'", "E'\\n'"),
    ("text", "E'\\r\\n'", "E'\\n'"),
    ("text", "E'\\t'", "'\\t'"),
    ("text", "E'a\\n\\\\.\\nb'", "'a\\n\\.\\nb'"),
    ("text", "'a '", "'a'"),
    ("text", "U&'\\+01F600'", "U&'\\+01F601'"),
    ("text", "U&'\\+10FFFF'", "U&'\\FFFF'"),
    ("text", "U&'\\00e9'", "U&'e\\0301'"),
    ("text", "U&'\\feff'", "''"),
    ("varchar(3)", "'ab '", "'ab'"),
    ("char(3)", "'ab'", "'abc'"),
    ("\"char\"", "'\\200'", "'\\201'"),
    ("\"char\"", "''", "'\\377'"),
    ("name", "repeat('x', 63)", "repeat('x', 62)"),
    ("short", "'a,\"b'", "'a'',b'"),
    ("bytea", "''", "NULL"),
    ("bytea", "'\\x00'", "''"),
    ("bytea", "'\\x5c2e'", "'\\x5c2e0a'"),
    ("bytea", "decode(repeat('ff', 300000), 'hex')", "decode(repeat('ff', 299999) || 'fe', 'hex')"),
    ("xml", "'<a b=\"1\"/>'", "'<a b=''1''/>'"),
    ("xml", "'<?xml version=\"1.0\"?><!DOCTYPE a><a/>'", "'x<a>&#10;</a>'"),
    ("json", "'{\"a\":1}'", "'{\"a\": 1}'"),
    ("json", "'{\"a\":1,\"a\":2}'", "'{\"a\":2}'"),
    ("json", "'\"\\u0000\"'", "'\"\\\\u0000\"'"),
    ("jsonb", "'null'", "NULL"),
    ("jsonb", "'1.0'", "'1'"),
    ("jsonb", "'\"\\\\\"'", "'\"\\\\\\\\\"'"),
    ("jsonb", "'123456789012345678901234567890.10'", "'123456789012345678901234567890.1'"),
    ("jsonpath", "'$.\"a\\\\b\"'", "'strict $.\"a\\\\b\"'"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"),
    ("inet", "'10.1.2.3/8'", "'10.1.2.3'"),
    ("inet", "'::ffff:1.2.3.4'", "'1.2.3.4'"),
    ("cidr", "'10.0.0.0/8'", "'10.0.0.0/9'"),
    ("macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"),
    ("macaddr8", "'08:00:2b:ff:fe:01:02:03'", "'08:00:2b:ff:fe:01:02:04'"),
    ("bit(3)", "B'000'", "B'001'"),
    ("varbit", "B''", "B'0'"),
    ("tsvector", "'a:1A ''it''''s'':2'", "'a:1 ''it''''s'':2'"),
    ("tsquery", "'a & !b:*A'", "'a <2> b'"),
    ("point", "'(1e-308,NaN)'", "'(1.0000000000000002e-308,NaN)'"),
    ("point", "'(0,-0)'", "'(0,0)'"),
    ("line", "'{1,-1,0.1}'", "'{1,-1,0.10000000000000002}'"),
    ("lseg", "'[(0,0),(1,1)]'", "'[(1,1),(0,0)]'"),
    ("box", "'(2,2),(1,1)'", "'(2,2),(1,1.0000000000000002)'"),
    ("path", "'[(0,0),(1,1)]'", "'((0,0),(1,1))'"),
    ("polygon", "'((0,0),(1,1),(2,0))'", "'((0,0),(2,0),(1,1))'"),
    ("circle", "'<(0,0),0>'", "'<(0,0),5e-324>'"),
    ("int4range", "'empty'", "'(,)'"),
    ("int4range", "'[1,2)'", "'[1,3)'"),
    ("int8range", "'[9223372036854775806,9223372036854775807)'", "'[9223372036854775806,)'"),
    ("numrange", "'[1.0,2.0]'", "'[1.0,2.0)'"),
    ("daterange", "'[infinity,)'", "'[infinity,infinity]'"),
    ("tsrange", "'[,infinity)'", "'[,)'"),
    ("tstzrange", "'[2026-10-25 02:30:00+01,)'", "'[2026-10-25 02:30:00+02,)'"),
    ("int4multirange", "'{}'", "'{[1,2),[4,5)}'"),
    ("datemultirange", "'{[4713-01-01 BC,4712-01-01 BC)}'", "'{[4713-01-01 BC,4712-01-02 BC)}'"),
    ("span", "'[0,-0]'", "'[0,0]'"),
    ("spans", "'{[0,1),[2,NaN]}'", "'{[0,1),[2,NaN)}'"),
    ("integer[]", "'{}'", "'{NULL}'"),
    ("integer[]", "'[2:3]={1,2}'", "'{1,2}'"),
    ("integer[]", "'{{1,2},{3,4}}'", "'{1,2,3,4}'"),
    ("text[]", "'{NULL}'", "'{\"NULL\"}'"),
    ("text[]", "ARRAY['']", "'{}'"),
    (
        "text[]",
        "ARRAY['a,b', '{}', '\"', '\\', E'\\n\\t\\r', ' ']",
        "ARRAY['a', 'b', '{}', '\"', '\\', E'\\n\\t\\r', ' ']",
    ),
    ("bytea[]", "ARRAY['\\x5c'::bytea]", "ARRAY['\\x5c5c'::bytea]"),
    (
        "uuid[]",
        "'{00000000-0000-0000-0000-000000000001,NULL}'",
        "'{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000000}'",
    ),
    ("json[]", "ARRAY['{\"a\":\"\\\"\"}'::json]", "ARRAY['{\"a\": \"\\\"\"}'::json]"),
    ("jsonb[]", "ARRAY['null'::jsonb]", "'{NULL}'"),
    ("xml[]", "ARRAY['<a/>'::xml]", "ARRAY['<a></a>'::xml]"),
    ("numeric[]", "'{NaN,-Infinity,1.0}'", "'{NaN,-Infinity,1.00}'"),
    ("interval[]", "'{\"1 day\"}'", "'{\"24 hours\"}'"),
    ("nummultirange", "'{[-0.00,1),(2,)}'", "'{[-0.00,1),[2,)}'"),
    ("tstzmultirange[]", "'{\"{[2026-10-25 02:30:00+01,)}\"}'", "'{\"{[2026-10-25 02:30:00+02,)}\"}'"),
    ("timestamptz[]", "'{infinity}'", "'{-infinity}'"),
    ("box[]", "'{(2,2),(1,1);(3,3),(1,1)}'", "'{(2,2),(1,1)}'"),
    ("mood", "'a\\b'", "''"),
    ("mood[]", "'{it''s,\"\"}'", "'{it''s}'"),
    ("tags", "'{a,NULL}'", "'{a,\"NULL\"}'"),
    ("pair", "ROW(NULL, NULL, NULL)", "NULL"),
    ("pair", "ROW(1, '', '{}')", "ROW(1, NULL, '{}')"),
    ("pair", "ROW(1, E'a\"b\\\\,()\\n', '{\"a\\\\b\"}')", "ROW(1, E'a\"b\\\\,() ', '{\"a\\\\b\"}')"),
    ("pair[]", "ARRAY[ROW(1, 'x,y', '{sad}')::pair, NULL]", "ARRAY[ROW(1, 'x', '{sad}')::pair, NULL]"),
    ("pairs", "ARRAY[ROW(1, '\"', NULL)::pair]", "ARRAY[ROW(1, '''', NULL)::pair]"),
    ("hstore", "'a=>NULL'", "'a=>\"NULL\"'"),
    ("citext", "'Abc'", "'abc'"),
    ("ltree", "'a.b'", "'a.b.c'"),
    ("oid", "4294967295", "4294967294"),
    ("xid", "'4294967295'", "'4294967294'"),
    ("xid8", "'18446744073709551615'", "'18446744073709551614'"),
    ("cid", "'4294967295'", "'0'"),
    ("tid", "'(4294967295,65535)'", "'(4294967295,65534)'"),
    ("pg_lsn", "'FFFFFFFF/FFFFFFFF'", "'FFFFFFFF/FFFFFFFE'"),
    ("pg_snapshot", "'1:9:3,5'", "'1:9:3'"),
    ("regclass", "'named'", "'pg_class'"),
    ("regtype", "'mood'", "'int4'"),
    ("regnamespace", "'public'", "'pg_catalog'"),
    ("regrole", "'pg_monitor'", "'pg_signal_backend'"),
    ("oidvector", "'1 2'", "'1 2 0'"),
    ("int2vector", "'1 2'", "'1 3'"),
];

/// Those that the server has: until 14 there were no ranges of many pieces and no infinite `numeric`, until 15 no scale
/// below zero and no way to write every `"char"`.
fn neighbours(major: u32) -> Vec<(&'static str, &'static str, &'static str)> {
    let new = |(data_type, one, _): &(&str, &str, &str)| {
        data_type.contains("multirange")
            || *data_type == "spans"
            || (data_type.starts_with("numeric") && one.contains("In")
                || *one == "'NaN'" && *data_type == "numeric")
    };
    let newer = |(data_type, ..): &(&str, &str, &str)| data_type.contains(",-") || *data_type == "\"char\"";
    let has = |entry: &&_| (major >= 14 || !new(entry)) && (major >= 15 || !newer(entry));
    NEIGHBOURS.iter().filter(has).copied().collect()
}

/// A row for each control byte and for what stands on both sides of the borders of UTF-8's lengths.
const CHARACTERS: &str = "CREATE TABLE characters (n integer, t text, a text[], j jsonb);
INSERT INTO characters SELECT n, 'x' || chr(n) || chr(n) || 'y', ARRAY[chr(n), NULL], to_jsonb(chr(n))
FROM unnest(ARRAY(SELECT generate_series(1, 300)) || ARRAY[2047, 2048, 8232, 8233, 55295, 57344, 65279, 65533, 65535, 65536, 128512, 1114111]) n;
INSERT INTO characters SELECT n + 2000000, chr(92) || chr(n), ARRAY[chr(92) || chr(n)], NULL FROM generate_series(1, 127) n;
CREATE TABLE together AS SELECT * FROM characters WHERE n % 2 = 0;";

/// Types of the database's own: a row of them in binary holds their numbers, which differ from database to database.
const OWN: [&str; 10] =
    ["mood", "pair", "tags", "short", "span", "hstore", "citext", "ltree", "reg", "pg_snapshot"];

/// What the server would send of all rows in binary: another way than the text that the archive holds.
fn in_binary(database: &str, neighbours: &[(&str, &str, &str)]) -> String {
    let mut sql = String::from(
        "SELECT md5(string_agg(record_send(c), '' ORDER BY n)) FROM (SELECT n, t, a, j FROM characters) c;\n",
    );
    for (number, (data_type, ..)) in neighbours.iter().enumerate() {
        let own = OWN.iter().any(|own| data_type.starts_with(own));
        let rows = if own {
            "string_agg(coalesce(v::text, 'NULL'), '|' ORDER BY v::text)"
        } else {
            "md5(string_agg(record_send(r), '' ORDER BY v::text))"
        };
        for table in ["a", "b"] {
            let rows = format!(
                "SELECT '{data_type} in {table}{number}: ' || {rows} FROM (SELECT v FROM {table}{number}) r;\n"
            );
            sql.push_str(&rows);
        }
    }
    psql(database, &sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_told_apart_and_come_back() {
    let shop = fresh("values").await;
    let major = super::connect(&shop).await.major_version();
    let neighbours = neighbours(major);
    let types =
        if major < 14 { TYPES.replace(", multirange_type_name = spans", "") } else { TYPES.to_owned() };
    let mut sql = format!("{types}\n{CHARACTERS}\n");
    for (number, (data_type, one, other)) in neighbours.iter().enumerate() {
        for (table, value) in [("a", one), ("b", other)] {
            let checked = if *data_type == "short" { "" } else { ", (NULL)" };
            sql.push_str(&format!(
                "CREATE TABLE {table}{number} (v {data_type}); INSERT INTO {table}{number} VALUES ({value}){checked};\n"
            ));
        }
    }
    psql(&shop, &sql);
    let (door, place) = (database(&shop), Place::new());
    let (archive, written) = place.back_up(&door).await;
    let digest = |name: &str| {
        let entry = archive.index().tables.iter().find(|table| table.id.name == name).unwrap();
        entry.digest
    };
    for (number, (data_type, one, other)) in neighbours.iter().enumerate() {
        let [first, second] = [digest(&format!("a{number}")), digest(&format!("b{number}"))];
        assert_eq!(first.rows, second.rows);
        assert_ne!(first.digest, second.digest, "{data_type}: {one} and {other}");
    }
    let (by_dbm, by_psql) = (name("values, by dbm"), fresh("values, by psql").await);
    let options = RestoreOptions { jobs: 2, ..RestoreOptions::default() };
    restore::into(&archive, &door, &by_dbm, &options, &Silent).await.unwrap();
    restore_by_hand(&place, &written.name, &by_psql);
    let before = in_binary(&shop, &neighbours);
    for copy in [&by_dbm, &by_psql] {
        same(&shop, copy).await;
        same_text("values in binary", &before, &in_binary(copy, &neighbours));
    }
}
