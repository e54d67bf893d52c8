# The MySQL half of scripts/bench; bash, to be sourced.
#
# Server and judges are Debian's MariaDB: mariadb-dump into zstd with two threads, mydumper and myloader with two threads.
# One database, of which one table is the most.

# fill_mariadb ROWS: mixed columns, a primary key everywhere, two more indexes on the large table, about 140 bytes a row.
fill_mariadb() {
  local rows=$1
  "${client[@]}" mysql <<SQL
CREATE DATABASE bench CHARACTER SET utf8mb4;
USE bench;
SET SESSION max_recursive_iterations = 4294967295, unique_checks = 0;
CREATE TABLE big (id bigint PRIMARY KEY, at datetime(6), amount decimal(12, 2), weight double, code char(32) CHARACTER SET ascii,
  body varchar(200), flag bool, tags json);
INSERT INTO big SELECT seq, '2020-01-01' + INTERVAL seq * 7 SECOND, (seq * 37 % 100000) / 100, seq / 7, MD5(seq),
  CONCAT('order ', seq, ' of customer ', seq % 9973, ', delivered to street ', seq % 733), seq % 3 = 0,
  JSON_ARRAY(CONCAT('a', seq % 7), 'b') FROM seq_1_to_$((rows * 9 / 10));
CREATE INDEX big_code ON big (code);
CREATE INDEX big_at ON big (at);
$(for table in 1 2 3 4 5; do
    printf 'CREATE TABLE small_%s LIKE big; INSERT INTO small_%s SELECT * FROM big WHERE id <= %s;\n' \
      "$table" "$table" $((rows / 50))
  done)
ANALYZE TABLE big, small_1, small_2, small_3, small_4, small_5;
SQL
}

bench_mysql() {
  local url round place client version missing=()
  command -v mydumper >/dev/null || missing+=(mydumper)
  [ -x "$(mariadbd_program)" ] || missing+=(mariadb-server-core)
  command -v mariadb-dump >/dev/null || missing+=(mariadb-client)
  command -v zstd >/dev/null || missing+=(zstd)
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
  url=$(start_mariadb "$work/mariadb" --skip-log-bin --innodb-buffer-pool-size=512M --innodb-log-file-size=512M)
  url=${url%/mysql}
  place=(--host=127.0.0.1 --port="${url##*:}" --user=root)
  client=(mariadb --no-defaults "${place[@]}")
  say 'filling the database'
  fill_mariadb $((size * 3600))
  printf '#!/bin/sh\nset -e\nmariadb-dump --no-defaults %s --single-transaction bench | zstd -q -1 -T2 -f -o dump.sql.zst\n' \
    "${place[*]}" >dump
  printf '#!/bin/sh\nset -e\nzstd -dcq dump.sql.zst | mariadb --no-defaults %s by_client\n' "${place[*]}" >load
  chmod +x dump load
  for round in $(seq "$rounds"); do
    say "round $round of $rounds"
    bench_mysql_round
  done
  version=$("${client[@]}" -sNe 'SELECT VERSION()')
  heading "MariaDB ${version%%-*}" \
    "$("${client[@]}" -sNe "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = 'bench'")"
  ratio backup dump 0.75 'backup, `mariadb-dump --single-transaction \| zstd -1 -T2`'
  ratio backup mydumper 0.5 'backup, `mydumper -t 2 -c`'
  ratio restore-only load 0.6 'restore, its proof and `ANALYZE` taken off, the `mariadb` client reading that dump'
  ratio restore-only myloader 0.9 'restore, its proof and `ANALYZE` taken off, `myloader -t 2`'
  ratio restore load - 'restore with its proof and `ANALYZE`, the `mariadb` client'
  stop_mariadb "$work/mariadb"
}

bench_mysql_round() {
  local statistics proof
  rm -rf store/* dumped dump.sql.zst
  measure backup "$dbm" --url "$url/bench" --store "$work/store" --log-dir "$work" backup --jobs 2
  measure dump ./dump
  measure mydumper mydumper "${place[@]}" --database bench --threads 2 --compress --outputdir dumped --no-locks
  measure restore "$dbm" --url "$url/bench" --store "$work/store" --log-dir "$work" restore latest --into bench_new --jobs 2
  # A restore always proves what it made: what that took is told, and taken off for the comparison.
  statistics=$(seconds statistics) proof=$(seconds proof)
  minus restore-only "$(awk -v one="$statistics" -v other="$proof" 'BEGIN { print one + other }')"
  "${client[@]}" -e 'DROP DATABASE bench_new; CREATE DATABASE by_client'
  measure load ./load
  "${client[@]}" -e 'DROP DATABASE by_client'
  measure myloader myloader "${place[@]}" --database by_myloader --threads 2 --directory dumped
  "${client[@]}" -e 'DROP DATABASE by_myloader'
}
