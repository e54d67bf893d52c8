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

stop_postgres() {
  local bin=$1 folder=$2
  [ ! -d "$folder/data" ] || as_server "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
}
