# The benchmark of stores on S3; bash, sourced by scripts/bench.
#
# A ready archive goes into a bucket of SeaweedFS on this machine by `dbm copy`, `aws s3 cp` and `rclone copyto`: the dump
# is not the limit, and all read the same file. The server's own work is in all times. Then each engine's database, of 2 GB
# or more with rows up to 4 MiB, goes into the bucket and comes back, plain and encrypted, and the table shows the memory.

# The smallest database of the table of memory, in MB, and what dbm may take, in MB.
large=2000 memory=128

bench_store() {
  local missing=()
  command -v aws >/dev/null || missing+=(awscli)
  command -v rclone >/dev/null || missing+=(rclone)
  [ -x "$(mariadbd_program)" ] || missing+=(mariadb-server-core)
  command -v mariadb >/dev/null || missing+=(mariadb-client)
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
  local endpoint
  endpoint=$(start_seaweed "$(fetched_seaweed)/weed" "$work/seaweed")
  export AWS_ACCESS_KEY_ID=dbmtest AWS_SECRET_ACCESS_KEY=dbm-test-secret AWS_DEFAULT_REGION=us-east-1
  bench_uploads
  bench_memory
  stop_seaweed "$work/seaweed"
}

# emptied FOLDER: removes what lies under it in the bucket.
emptied() { aws --endpoint-url "$endpoint" s3 rm --only-show-errors --recursive "s3://dbm-test/$1/"; }

bench_uploads() {
  local round archive
  # Random bytes: neither side can make anything smaller, and the archive is as large as it says.
  sqlite3 ready.db "CREATE TABLE t (b BLOB); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1
    FROM n WHERE i < $size) SELECT randomblob(1000000) FROM n"
  "$dbm" --url "sqlite://$work/ready.db" --store "$work/store" --log-dir "$work" --quiet backup
  archive=$(cd store && ls -- *.zst)
  rm ready.db
  for round in $(seq "$rounds"); do
    say "round $round of $rounds"
    measure store-dbm "$dbm" --store "$work/store" --log-dir "$work" --quiet copy "$archive" \
      --to "s3://dbm-test/dbm?endpoint=$endpoint"
    emptied dbm
    measure store-aws aws --endpoint-url "$endpoint" s3 cp --only-show-errors "store/$archive" s3://dbm-test/aws/
    emptied aws
    measure store-rclone env -u AWS_CA_BUNDLE rclone --config /dev/null copyto "store/$archive" \
      ":s3,provider=Other,env_auth,endpoint='$endpoint':dbm-test/rclone/$archive"
    emptied rclone
  done
  heading 'A bucket of SeaweedFS' "$(stat -c %s "store/$archive")"
  ratio store-dbm store-aws 1.1 'an archive into the bucket by `dbm copy`, `aws s3 cp` of the same file'
  ratio store-dbm store-rclone - 'the same, `rclone copyto`'
  rm -rf store/*
}

# Every engine's database through the bucket: how long, and the peak of memory, which is what this is about.
bench_memory() {
  local megabytes=$((size > large ? size : large)) server url
  "$dbm" keys generate --into "$work/keys" >/dev/null
  printf '\nThrough a bucket of SeaweedFS, two jobs, databases of %s MB and more with rows up to 4 MiB, %s\n\n' \
    "$megabytes" "$(date -u +%F)"
  printf '| engine | archive | backup | peak (at most %s MB) | restore | peak (at most %s MB) |\n' "$memory" "$memory"
  printf '| --- | --- | --- | --- | --- | --- |\n'

  # A quarter of each is rows of 4 MiB, of which nothing compresses away but that they are written in hexadecimal.
  say "filling a SQLite file with $megabytes MB"
  sqlite3 large.db "CREATE TABLE small (id INTEGER PRIMARY KEY, body BLOB);
    INSERT INTO small WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $((megabytes * 750)))
      SELECT i, randomblob(1000) FROM n;
    CREATE TABLE wide (id INTEGER PRIMARY KEY, body BLOB);
    INSERT INTO wide WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $((megabytes / 16)))
      SELECT i, randomblob(4190000) FROM n;"
  there_and_back SQLite "sqlite://$work/large.db" rm -f "$work/back.db"
  rm large.db

  bin=$(newest_postgres)
  server=$(start_postgres "$bin" "$work/postgres" -c max_wal_size=4GB)
  url=${server%/postgres}/large
  say "filling a database of PostgreSQL"
  psql -qX "$server" -c 'CREATE DATABASE large'
  psql -qX -v ON_ERROR_STOP=1 "$url" <<SQL
CREATE TABLE small (id bigint, body text);
INSERT INTO small SELECT i, (SELECT string_agg(md5((i * 31 + n)::text), '') FROM generate_series(1, 30) n)
  FROM generate_series(1, $((megabytes * 750))) i;
CREATE TABLE wide (id bigint, body text);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT i, (SELECT string_agg(md5((i * 1000003 + n)::text), '') FROM generate_series(1, 130000) n)
  FROM generate_series(1, $((megabytes / 16))) i;
SQL
  there_and_back "PostgreSQL $("$bin/postgres" --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1)" "$url" \
    psql -qX "$server" -c 'DROP DATABASE back'
  stop_postgres "$bin" "$work/postgres"
  rm -rf "$work/postgres"

  server=$(start_mariadb "$work/mariadb" --skip-log-bin --max-allowed-packet=64M)
  url=${server%/mysql}/large
  local client=(mariadb --no-defaults --host=127.0.0.1 --port="$(sed 's/.*:\([0-9]*\).*/\1/' <<<"$server")" --user=root)
  say "filling a database of MariaDB"
  "${client[@]}" mysql <<SQL
CREATE DATABASE large CHARACTER SET utf8mb4;
USE large;
SET SESSION group_concat_max_len = 16000000;
CREATE TABLE small (id bigint PRIMARY KEY, body varbinary(1024));
INSERT INTO small SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_$((megabytes * 750));
CREATE TABLE wide (id bigint PRIMARY KEY, body longblob);
INSERT INTO wide SELECT w.seq, (SELECT GROUP_CONCAT(RANDOM_BYTES(1000) SEPARATOR '') FROM seq_1_to_4190 WHERE w.seq > 0)
  FROM seq_1_to_$((megabytes / 16)) w;
SQL
  there_and_back MariaDB "$url" "${client[@]}" -e 'DROP DATABASE back'
  stop_mariadb "$work/mariadb"
}

# there_and_back ENGINE URL COMMAND...: two lines of the table; the command removes what was restored.
there_and_back() {
  local engine=$1 url=$2 kind into=back place sealed
  shift 2
  [[ $url != sqlite:* ]] || into=$work/back.db
  place=(--url "$url" --store "s3://dbm-test/large?endpoint=$endpoint" --log-dir "$work" --jobs 2 --quiet)
  for kind in plain encrypted; do
    sealed=()
    [ "$kind" = plain ] || sealed=(--recipients "$(age_recipient)" --identity-file "$work/keys/identity.txt")
    : >results
    measure backup "$dbm" "${place[@]}" "${sealed[@]}" backup
    measure restore "$dbm" "${place[@]}" "${sealed[@]}" restore latest --into "$into"
    "$@"
    emptied large
    printf '| %s | %s | %s s | %d MB | %s s | %d MB |\n' "$engine" "$kind" \
      "$(column backup 2)" "$(($(column backup 3) / 1024))" "$(column restore 2)" "$(($(column restore 3) / 1024))"
  done
}

age_recipient() { sed -n 's/^# public key: //p' "$work/keys/identity.txt"; }
