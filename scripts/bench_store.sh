# The benchmark of uploads; bash, sourced by scripts/bench.
#
# A ready archive goes into a bucket of SeaweedFS on this machine by `dbm copy` and by `aws s3 cp`: the dump is not the
# limit, and both read the same file. The server's own work is in both times.

bench_store() {
  local round weed endpoint archive aws=aws
  command -v aws >/dev/null || {
    say "fetching awscli"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check awscli
    aws=$work/venv/bin/aws
  }
  weed=$(fetched_seaweed)/weed
  endpoint=$(start_seaweed "$weed" "$work/seaweed")
  export AWS_ACCESS_KEY_ID=dbmtest AWS_SECRET_ACCESS_KEY=dbm-test-secret AWS_DEFAULT_REGION=us-east-1
  # Random bytes: neither side can make anything smaller, and the archive is as large as it says.
  sqlite3 ready.db "CREATE TABLE t (b BLOB); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1
    FROM n WHERE i < $size) SELECT randomblob(1000000) FROM n"
  "$dbm" --url "sqlite://$work/ready.db" --store "$work/store" --log-dir "$work" --quiet backup
  archive=$(cd store && ls -- *.zst)
  rm ready.db
  for round in $(seq "$rounds"); do
    measure store-dbm "$dbm" --url "sqlite://$work/ready.db" --store "$work/store" --quiet copy "$archive" \
      --to "s3://dbm-test/dbm-$round?endpoint=$endpoint"
    measure store-aws "$aws" --endpoint-url "$endpoint" s3 cp --only-show-errors "store/$archive" \
      "s3://dbm-test/aws-$round/"
    "$aws" --endpoint-url "$endpoint" s3 rm --only-show-errors --recursive s3://dbm-test/
  done
  heading 'A bucket of SeaweedFS' "$(stat -c %s "store/$archive")"
  ratio store-dbm store-aws 1.1 'an archive into the bucket by `dbm copy`, `aws s3 cp` of the same file'
  stop_seaweed "$work/seaweed"
}
