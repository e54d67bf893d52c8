# Servers of MySQL and of newer MariaDB, from packages of Debian's newer suites; bash, to be sourced after servers.sh.
#
# The packages and all that they need are unpacked into a folder of the cache and run from there by the loader that
# comes with them: nothing is installed, no rights are needed, and the machine's own libraries do not matter.

# fetched_mysql 9 | fetched_mariadb 11: the folder of the server's programs, `bin`.
fetched_mysql() {
  [ "$1" = 9 ] || { say "no MySQL $1 here: 9"; return 2; }
  local folder
  folder=$(fetched mysql-9 bin/mysqld unpack_debian sid mysql-server-core mysql-client-core) || return 1
  printf '%s/bin' "$folder"
}

fetched_mariadb() {
  [ "$1" = 11 ] || { say "no MariaDB $1 here: 11"; return 2; }
  local folder
  folder=$(fetched mariadb-11 bin/mariadbd unpack_debian trixie mariadb-server-core mariadb-client-core) || return 1
  printf '%s/bin' "$folder"
}

# fetched_plugins SUITE: a folder with plugins of that suite's MariaDB, which no core package has: for accounts of ed25519,
# and for the list of locks, which only the server of the very same version takes.
fetched_plugins() {
  fetched "plugins-$1" metadata_lock_info.so unpack_plugins "$1"
}

unpack_plugins() {
  local apt
  debian_apt "$1" || return 1
  "${apt[@]}" download mariadb-server
  dpkg-deb -x mariadb-server_*.deb unpacked
  mv unpacked/usr/lib/mysql/plugin/{auth_ed25519,metadata_lock_info}.so .
  rm -rf apt unpacked mariadb-server_*.deb
  chmod a+rx ./*.so
}

# unpack_debian SUITE PACKAGE...: into the working folder, with all that the packages depend on.
unpack_debian() {
  local suite=$1 apt
  shift
  say "fetching $* of Debian $suite"
  debian_apt "$suite" || return 1
  "${apt[@]}" install -y --download-only "$@"
  local package program
  for package in apt/cache/archives/*.deb; do dpkg-deb -x "$package" .; done
  rm -rf apt etc usr/share/{doc,man,locale,perl,perl5,info} usr/lib/*/{perl,perl-base,perl5}
  mkdir bin bin/clients
  for program in usr/sbin/{mysqld,mariadbd}; do
    [ ! -x "$program" ] || run_by_own_loader "$program" >"bin/${program##*/}"
  done
  for program in usr/bin/{mysql,mysqldump,mariadb,mariadb-dump}; do
    [ ! -x "$program" ] || run_by_own_loader "$program" >"bin/clients/${program##*/}"
  done
  chmod a+x bin/mysqld bin/mariadbd bin/clients/* 2>/dev/null || true
}

# debian_apt SUITE: leaves in $apt how apt is called for that suite, in the working folder.
#
# From the servers that this machine's apt is set up with; with lists and a status of its own, so that nothing counts
# as installed and the machine's own apt sees nothing of it.
debian_apt() {
  local suite=$1 server
  server=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
    sort -u | head -n 1)
  [ -n "$server" ] || { say "apt on this machine knows no server of Debian's packages"; return 1; }
  mkdir -p apt/lists/partial apt/cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $server $suite main" >apt/sources.list
  : >apt/status
  apt=(apt-get -q -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$PWD/apt/lists" -o Dir::State::status="$PWD/apt/status"
    -o Dir::Cache="$PWD/apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Install-Recommends=false
    -o Acquire::Languages=none)
  "${apt[@]}" update
}

# A script that runs a program with the loader and the libraries that lie beside it.
run_by_own_loader() {
  printf '%s\n' '#!/bin/sh' 'here=$(readlink -f "$0")' 'here=${here%/bin/*}' 'set -- "$here/'"$1"'" "$@"' \
    'for loader in "$here"/usr/lib/*/ld-linux-*.so.* "$here"/usr/lib64/ld-linux-*.so.*; do' \
    '  [ ! -x "$loader" ] || exec "$loader" --library-path "$(dirname "$loader"):$here/usr/lib/mysql/private" "$@"' \
    'done' 'echo "$here has no loader" >&2' 'exit 127'
}

# prepare_mysql BIN FOLDER: makes a server's tables in FOLDER/data, and writes how it is started, an argument a line,
# into FOLDER/program. Its superuser has no password.
prepare_mysql() {
  local bin=$1 folder=$2 own
  own=$(dirname "$bin")/usr
  mkdir -p "$folder"
  as_program "$folder" "$bin/mysqld" --no-defaults --basedir="$own" --lc-messages-dir="$own/share/mysql" \
    --character-sets-dir="$own/share/mysql/charsets" --plugin-dir="$own/lib/mysql/plugin" --secure-file-priv= \
    --mysqlx=OFF --log-bin --sync-binlog=0 --performance-schema=OFF
  # A starting server removes the temporary files of others that share its folder for them.
  local -x TMPDIR=$folder
  from_program "$folder" --datadir="$folder/data" --skip-log-bin --initialize-insecure >"$folder/install.log" 2>&1 ||
    { cat "$folder/install.log" >&2; return 1; }
}

mysqld_program() { command -v mysqld || echo /usr/sbin/mysqld; }

# start_mysql FOLDER: prints the URL of a new server of the machine's own MySQL, whose superuser has no password.
start_mysql() {
  local folder=$1
  mkdir -p "$folder"
  as_program "$folder" "$(mysqld_program)" --no-defaults --loose-mysqlx=OFF
  local -x TMPDIR=$folder
  from_program "$folder" --datadir="$folder/data" --initialize-insecure >"$folder/install.log" 2>&1 ||
    { cat "$folder/install.log" >&2; return 1; }
  start_prepared "$folder" mysql
}

# prepare_mariadb BIN FOLDER: the same of MariaDB, whose tables are made by its own scripts.
prepare_mariadb() {
  local bin=$1 folder=$2 own share
  own=$(dirname "$bin")/usr share=$(dirname "$bin")/usr/share/mariadb
  mkdir -p "$folder/data"
  as_program "$folder" "$bin/mariadbd" --no-defaults --basedir="$own" --lc-messages-dir="$share" \
    --character-sets-dir="$share/charsets" --plugin-dir="$own/lib/mysql/plugin" --log-bin
  local -x TMPDIR=$folder
  {
    printf '%s;\n' 'CREATE DATABASE mysql' 'USE mysql' 'SET @auth_root_socket = NULL' 'SET @skip_auth_anonymous = 1'
    cat "$share"/mariadb_{system_tables,performance_tables,system_tables_data,sys_schema}.sql
  } | from_program "$folder" --datadir="$folder/data" --skip-log-bin --bootstrap >"$folder/install.log" 2>&1 ||
    { cat "$folder/install.log" >&2; return 1; }
}

# as_program FOLDER PROGRAM ARGUMENT...: notes how a server is started.
as_program() {
  local folder=$1
  shift
  printf '%s\n' "$@" >"$folder/program"
  [ "$(id -u)" -ne 0 ] || printf '%s\n' --user=root >>"$folder/program"
}

# from_program FOLDER ARGUMENT...: starts it, with more arguments.
from_program() {
  local folder=$1 program
  shift
  mapfile -t program <"$folder/program"
  "${program[@]}" "$@"
}

# start_prepared FOLDER CLIENT [--option ...]: prints the URL of a server that is prepared.
start_prepared() {
  local folder=$1 client=$2 program
  shift 2
  local -x TMPDIR=$folder
  mapfile -t program <"$folder/program"
  started "$folder" "$client" "${program[@]}" --datadir="$folder/data" "$@"
}

# started FOLDER CLIENT PROGRAM ARGUMENT...: starts a server that is set up, and prints its URL.
started() {
  local folder=$1 client=$2 port
  shift 2
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    "$@" --socket="$folder/socket" --pid-file="$folder/pid" --log-error="$folder/log" --port="$port" \
      --bind-address=127.0.0.1 --max-connections=300 --innodb-flush-log-at-trx-commit=0 \
      --innodb-buffer-pool-size=64M >/dev/null 2>&1 </dev/null &
    for _ in $(seq 300); do
      if "$client" --no-defaults -u root -h 127.0.0.1 -P "$port" -e 'SELECT 1' >/dev/null 2>&1; then
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
