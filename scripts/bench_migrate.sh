# `scripts/bench migrate`; bash, to be sourced.
#
# 1,000 small migrations from zero, and a run with nothing pending, against dbmate, sqlx-cli and Alembic, which gets the
# same statements as op.execute in 1,000 revisions. What is printed is the median of each round's ratio, dbm's time by the other's.

# The others, fetched once: dbmate's binary from npm, sqlx-cli built (some minutes), Alembic into an environment of its own.
migrate_tools() {
  dbmate=$(fetched dbmate-2.36.0 node_modules/.bin/dbmate npm install --silent --no-audit --no-fund dbmate@2.36.0) || return 1
  dbmate=$dbmate/node_modules/.bin/dbmate
  sqlx=$(fetched sqlx-cli-0.9.0 bin/sqlx cargo install --quiet --locked --root . --no-default-features \
    --features postgres,sqlite sqlx-cli@0.9.0) || return 1
  sqlx=$sqlx/bin/sqlx
  alembic=$(fetched alembic-1 venv/bin/alembic unpack_alembic) || return 1
  alembic=$alembic/venv/bin/python
}

unpack_alembic() {
  python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check alembic psycopg2-binary
}

migrate_project() {
  local folder=$1 number before=None
  mkdir -p "$folder/migrations" "$folder/rollback" "$folder/dbmate" "$folder/sqlx" "$folder/alembic/versions"
  for number in $(seq -w 1 1000); do
    printf 'CREATE TABLE t%s (id int PRIMARY KEY, name varchar(20));\n' "$number" >"$folder/migrations/${number}_t.sql"
    printf 'DROP TABLE t%s;\n' "$number" >"$folder/rollback/${number}_t.sql"
    cp "$folder/migrations/${number}_t.sql" "$folder/sqlx/2024010100${number}_t.sql"
    printf -- '-- migrate:up\nCREATE TABLE t%s (id int PRIMARY KEY, name varchar(20));\n-- migrate:down\nDROP TABLE t%s;\n' \
      "$number" "$number" >"$folder/dbmate/2024010100${number}_t.sql"
    printf 'from alembic import op\nrevision = "r%s"\ndown_revision = %s\ndef upgrade():\n    op.execute("CREATE TABLE t%s (id int PRIMARY KEY, name varchar(20))")\ndef downgrade():\n    op.execute("DROP TABLE t%s")\n' \
      "$number" "$before" "$number" "$number" >"$folder/alembic/versions/r$number.py"
    before="\"r$number\""
  done
  printf '[alembic]\nscript_location = %s/alembic\n' "$folder" >"$folder/alembic.ini"
  cat >"$folder/alembic/env.py" <<'PYTHON'
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["BENCH_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
PYTHON
}

bench_migrate() {
  local engine url round folder=$work/migrate fresh name aim
  migrate_tools || return 1
  migrate_project "$folder"
  bin=$(newest_postgres)
  local server
  server=$(start_postgres "$bin" "$work/postgres" -c fsync=on)
  for engine in postgres sqlite; do
    for round in $(seq "$rounds"); do
      for name in backup dbm dbmate sqlx alembic; do
        if [ "$engine" = postgres ]; then
          # None is dropped before the end: a file system may look long for room among what was removed a moment ago.
          "$bin/psql" -X -q -c "CREATE DATABASE bench_${name}_$round" "$server"
          url=${server%/*}/bench_${name}_$round
          fresh=$url
        else
          rm -f "$folder"/bench.db*
          url=sqlite:$folder/bench.db
          fresh=sqlite:////$folder/bench.db
        fi
        export BENCH_URL=${fresh/postgres:/postgresql+psycopg2:} DATABASE_URL=$url
        [ "$engine" = postgres ] && DATABASE_URL=$url?sslmode=disable
        local command=()
        case $name in
          backup | dbm) command=("$dbm" migrate --quiet --yes --migrations "$folder/migrations" --rollback-folder "$folder/rollback" --log-dir "$folder/logs" --store "$folder/store")
               [ "$name" = backup ] || command+=(--no-backup)
               [ "$engine" = postgres ] || DATABASE_URL=$url?mode=rwc ;;
          dbmate) command=("$dbmate" --no-dump-schema -d "$folder/dbmate" up)
               [ "$engine" = postgres ] || DATABASE_URL=sqlite:$folder/bench.db ;;
          sqlx) command=("$sqlx" migrate run --no-dotenv --source "$folder/sqlx" --database-url)
               [ "$engine" = postgres ] && command+=("$DATABASE_URL") || command+=("$url?mode=rwc") ;;
          alembic) command=("$alembic" -m alembic -c "$folder/alembic.ini" upgrade head) ;;
        esac
        if [ "$name" = backup ]; then
          measure "$engine-backup-dbm" "${command[@]}"
          continue
        fi
        measure "$engine-zero-$name" "${command[@]}"
        measure "$engine-nothing-$name" "${command[@]}"
      done
    done
  done
  unset DATABASE_URL BENCH_URL
  stop_postgres "$bin" "$work/postgres"
  for engine in postgres sqlite; do
    printf '\n%s, 1,000 migrations of one small table, %s, %s cores, load %s, median of %s\n\n' "$engine" "$(date -u +%F)" \
      "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)" "$rounds"
    printf '| dbm against | at most | ratio | dbm | the other | peak of dbm |\n| --- | --- | --- | --- | --- | --- |\n'
    [ "$engine" = postgres ] && aim=0.9 || aim=0.6
    for name in dbmate sqlx alembic; do
      ratio "$engine-zero-dbm" "$engine-zero-$name" "$aim" "from zero, without a backup, $name"
      ratio "$engine-backup-dbm" "$engine-zero-$name" - "from zero, with its backup, $name"
      ratio "$engine-nothing-dbm" "$engine-nothing-$name" - "nothing pending, $name"
    done
    printf '\nnothing pending: dbm %s s\n' "$(column "$engine-nothing-dbm" 2 | median)"
  done
}
