# The PostgreSQL half of scripts/bench; bash, to be sourced.
#
# Server and judges are PostgreSQL 18: pg_dump and pg_restore with as many jobs as dbm and zstd at level 1.
# Three databases: one with a table that dominates, one with 40 middling tables, one with 20,000 small ones.

# PyPI's pg_dump is built without zstd, Debian's is not: the newest one runs from a folder by its own loader.
zstd_tools() {
  local loader folder
  case $(uname -m) in
    x86_64) loader=usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 ;;
    aarch64) loader=usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1 ;;
    *) say "no package of pg_dump for $(uname -m)"; return 2 ;;
  esac
  folder=$(fetched tools-zstd-18 bin/pg_dump unpack_zstd_tools "$loader") || return 1
  printf '%s/bin' "$folder"
}

unpack_zstd_tools() {
  local loader=$1 options tool
  say "fetching postgresql-client-18"
  # Debian's mirror as this machine knows it, with the suite that has version 18; the machine's own lists stay as they are.
  mkdir -p apt/lists/partial apt/cache/archives/partial
  {
    printf 'Types: deb\nSuites: sid\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null |
      awk '/^URIs:/ { print; exit } /^deb / { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print "URIs: " $i; exit } }'
  } >apt/sid.sources
  options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$PWD/apt" -o "Dir::State::Lists=$PWD/apt/lists"
    -o "Dir::Cache=$PWD/apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${options[@]}" -q update
  (
    cd apt
    apt-get "${options[@]}" -q download postgresql-client-18 libpq5 libc6 libzstd1 liblz4-1 zlib1g libssl3t64 \
      libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 libldap2 libsasl2-2
  )
  for tool in apt/*.deb; do dpkg -x "$tool" .; done
  rm -rf apt
  mkdir bin
  for tool in pg_dump pg_restore; do
    cat >"bin/$tool" <<SH
#!/bin/sh
root=\$(dirname "\$(dirname "\$0")")
exec "\$root/$loader" --library-path "\$root/$(dirname "$loader")" "\$root/usr/lib/postgresql/18/bin/$tool" "\$@"
SH
    chmod +x "bin/$tool"
  done
  bin/pg_dump --version
}

# fill SHAPE DATABASE ROWS: mixed columns, a primary key everywhere, and about 140 bytes a row.
fill() {
  local shape=$1 url=$base/$2 rows=$3
  local columns='id bigint, at timestamptz, amount numeric(12, 2), code text, body text, flag boolean, tags text[]'
  local select="SELECT i, '2020-01-01'::timestamptz + i * interval '7 s', (i * 37 % 100000) / 100.0, md5(i::text),
    'order ' || i || ' of customer ' || i % 9973 || ', delivered to street ' || i % 733, i % 3 = 0, ARRAY['a' || i % 7, 'b']"
  psql -qX "$base/postgres" -c "CREATE DATABASE $2"
  case $shape in
    one)
      psql -qX -v ON_ERROR_STOP=1 "$url" <<SQL
CREATE TABLE big ($columns);
INSERT INTO big $select FROM generate_series(1, $rows * 9 / 10) i;
ALTER TABLE big ADD PRIMARY KEY (id);
CREATE INDEX ON big (code);
CREATE INDEX ON big (at);
DO \$\$ BEGIN FOR t IN 1..5 LOOP
  EXECUTE format('CREATE TABLE small_%s AS SELECT * FROM big WHERE id <= $rows / 50', t);
  EXECUTE format('ALTER TABLE small_%s ADD PRIMARY KEY (id)', t);
END LOOP; END \$\$;
SQL
      ;;
    forty)
      psql -qX -v ON_ERROR_STOP=1 "$url" <<SQL
DO \$do\$ BEGIN
FOR t IN 1..40 LOOP
  EXECUTE format('CREATE TABLE t_%s ($columns)', t);
  EXECUTE 'INSERT INTO t_' || t || \$\$ $select FROM generate_series(1, $rows / 40) i\$\$;
  EXECUTE format('ALTER TABLE t_%s ADD PRIMARY KEY (id)', t);
  EXECUTE format('CREATE INDEX ON t_%s (code)', t);
  COMMIT;
END LOOP;
FOR t IN 2..40 LOOP
  EXECUTE format('ALTER TABLE t_%s ADD FOREIGN KEY (id) REFERENCES t_%s', t, t - 1);
END LOOP;
END \$do\$;
SQL
      ;;
    thousands)
      psql -qX -v ON_ERROR_STOP=1 "$url" <<SQL
DO \$do\$ BEGIN
FOR t IN 1..$tables LOOP
  EXECUTE format('CREATE TABLE t_%s ($columns)', t);
  EXECUTE 'INSERT INTO t_' || t || \$\$ $select FROM generate_series(1, $rows / 4 / $tables) i\$\$;
  EXECUTE format('ALTER TABLE t_%s ADD PRIMARY KEY (id)', t);
  IF t % 100 = 0 THEN COMMIT; END IF;
END LOOP;
END \$do\$;
SQL
      ;;
  esac
  psql -qX "$url" -c 'VACUUM ANALYZE' -c CHECKPOINT
}

bench_postgres() {
  local server base shape round tools
  bin=$(fetched_tools)
  tools=$(zstd_tools)
  [ -x "$bin/postgres" ] || bin=$(fetched_postgres 18)
  PATH="$bin:$PATH"
  server=$(start_postgres "$bin" "$work/postgres" -c shared_buffers=512MB -c max_wal_size=8GB \
    -c max_locks_per_transaction=1024)
  base=${server%/postgres}
  for shape in "${shapes[@]}"; do
    : >results
    say "filling the database with ${shape}"
    fill "$shape" "$shape" $((size * 3600))
    for round in $(seq "$rounds"); do
      say "round $round of $rounds"
      bench_round "$shape"
    done
    heading "PostgreSQL $("$bin/postgres" --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1), $shape" \
      "$(psql -qXAt "$base/$shape" -c 'SELECT pg_database_size(current_database())')"
    rows_of_the_table "$shape"
    psql -qX "$server" -c "DROP DATABASE $shape"
  done
  stop_postgres "$bin" "$work/postgres"
}

# rows_of_the_table SHAPE: with what each shape aims at.
rows_of_the_table() {
  local backup=0.95 restore=0.8
  [ "$1" != one ] || backup=0.8 restore=0.65
  if [ "$1" = thousands ]; then
    ratio backup dump-custom-zstd 0.5 'backup, `pg_dump -Fc -Z zstd:1`'
  else
    ratio backup dump-custom 0.35 'backup, `pg_dump -Fc` with its defaults'
  fi
  ratio backup dump-directory "$backup" 'backup, `pg_dump -Fd -j2 -Z zstd:1`'
  ratio backup floor - 'backup, `COPY` of every table to nowhere on two connections'
  ratio restore-only restore-directory "$restore" 'restore, its proof and `ANALYZE` taken off, `pg_restore -j2`'
  ratio restore-proven restore-directory 1.1 'restore with its proof, `ANALYZE` taken off, the same'
  ratio restore restore-directory - 'restore with its proof and `ANALYZE`, the same'
}

bench_round() {
  local shape=$1 url=$base/$1 statistics proof
  rm -rf store/* custom directory
  # The floor: large tables in two halves, one on each connection; small ones in turn.
  psql -qXAt "$url" >floor.sql <<'SQL'
SELECT format('COPY (SELECT * FROM %s%s) TO STDOUT;', c.oid::regclass, half)
FROM pg_class c, LATERAL (
  SELECT format(' WHERE ctid %s ''(%s,0)''', side, c.relpages / 2) FROM unnest('{<,>=}'::text[]) side WHERE c.relpages > 1000
  UNION ALL SELECT '' WHERE c.relpages <= 1000) h (half)
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relpages <= 1000, relname, half;
SQL
  awk 'NR % 2' floor.sql >floor-1.sql
  awk 'NR % 2 == 0' floor.sql >floor-2.sql
  printf '#!/bin/sh\npsql -qX %s -f floor-1.sql >/dev/null & psql -qX %s -f floor-2.sql >/dev/null; wait\n' "$url" "$url" >floor
  chmod +x floor
  measure backup "$dbm" --url "$url" --store "$work/store" --log-dir "$work" backup --jobs 2
  if [ "$shape" = thousands ]; then
    measure dump-custom-zstd "$tools/pg_dump" -Fc -Z zstd:1 -f custom "$url"
  else
    measure dump-custom "$tools/pg_dump" -Fc -f custom "$url"
  fi
  measure dump-directory "$tools/pg_dump" -Fd -j2 -Z zstd:1 -f directory "$url"
  measure floor ./floor
  measure restore "$dbm" --url "$url" --store "$work/store" --log-dir "$work" restore latest --into bench_new --jobs 2
  # A restore always proves what it made: what that took is told, and taken off for the comparison.
  statistics=$(seconds statistics) proof=$(seconds proof)
  minus restore-proven "$statistics"
  minus restore-only "$proof"
  psql -qX "$server" -c 'DROP DATABASE bench_new' -c CHECKPOINT -c 'CREATE DATABASE restored TEMPLATE template0'
  measure restore-directory "$tools/pg_restore" -j2 -d "$base/restored" directory
  psql -qX "$server" -c 'DROP DATABASE restored' -c CHECKPOINT
}
