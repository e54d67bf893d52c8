//! Rows by `LOAD DATA LOCAL` are those that the `INSERT`s would give.

use database::Section;

use super::backed_up;
use crate::archive::Aspect;
use crate::mysql::restore::load::{set_mode, worker};
use crate::mysql::restore::local::Local;
use crate::mysql::restore::run::{self, Commit};
use crate::mysql::testing::{fresh, rows, run};

const PLAIN: &str = "CREATE TABLE t (id bigint unsigned PRIMARY KEY, i int, d decimal(65,30), f float, g double, h float(9,3),
    a varchar(50) CHARACTER SET utf8mb4, b varchar(50) CHARACTER SET latin1, c char(5) CHARACTER SET ucs2, e longtext,
    da date, ti time(6), dt datetime(6), ts timestamp(6) NULL);
  SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00';
  INSERT INTO t VALUES (18446744073709551615, -2147483648, -0.000000000000000000000000000001, 16777216, 5e-324, 1.001,
      'it''s \\\\ \"q\"\\n\\r\\t\\0\\Z %', 'plain', '', '-- ; /* */', '0000-00-00', '-838:59:59.999999', '0000-00-00 00:00:00', '2020-10-25 00:30:00.000001'),
    (0, 0, 99999999999999999999999999999999999, 0.1, 1.7976931348623157e308, -1, _utf8mb4 0xF09F9880, ' x ', NULL, '',
      '2020-02-31', '838:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999'),
    (2, NULL, NULL, -3.402823e38, -0e0, 0, '\\\\N', 'NULL', '', '\\\\', NULL, NULL, NULL, NULL);
  SET sql_mode = DEFAULT; CREATE TABLE u LIKE t";

#[tokio::test]
async fn rows_that_are_loaded_are_those_that_are_inserted() {
    let server = fresh().await;
    run(&server, PLAIN).await;
    let (_folder, archive) = backed_up(&server).await;
    let (number, part) = (0..)
        .zip(&archive.index().parts)
        .find(|(_, part)| part.section == Section::Data && part.aspect == Aspect::Rows)
        .unwrap();
    let bytes = archive.part(number).await.unwrap();
    let mut worker = worker(&server, server.database(), false).await.unwrap();
    set_mode(&mut worker, database::mysql::catalog::ROWS_MODE).await.unwrap();
    let local = Local::of(&mut worker, &[]).await.unwrap();
    let load = Commit::Loaded(&local, "u", part.rows);
    run::rows(&mut worker, &bytes, Some(("t", "u")), load).await.unwrap();
    let digests = server.digests().await.unwrap();
    let of = |name: &str| digests.iter().find(|(id, _)| id.name == name).map(|(_, digest)| *digest);
    assert_eq!(of("u"), of("t"));
    assert_eq!(of("u").unwrap().rows, 3);
    let loads = worker.query("SHOW SESSION STATUS LIKE 'Com_load'", "").await.unwrap();
    let allowed = rows(&server, "SELECT @@global.local_infile").await;
    assert_eq!(loads[0][1], allowed[0][0]);
    // What the server only warns of with LOCAL is an error all the same, and nothing of it is left.
    run(&server, "DELETE FROM u WHERE id <> 2").await;
    let load = Commit::Loaded(&local, "u", part.rows);
    let error = run::rows(&mut worker, &bytes, Some(("t", "u")), load).await.unwrap_err();
    assert!(error.to_string().contains("(error 1062)"), "{error}");
    worker.batch("ROLLBACK", "").await.unwrap();
    assert_eq!(rows(&server, "SELECT id FROM u").await.len(), 1);
}
