use std::sync::atomic::{AtomicU32, Ordering};

use crate::mariadb_server::is_mysql;
use crate::{OwnMariadb, tool, try_tool};

/// A database of a test on a MariaDB server; it is dropped at the end, with all that was made beside it.
#[derive(Debug)]
pub struct Mariadb {
    port: u16,
    name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The server's own client: `mariadb`, or `mysql` where the tests run on MySQL.
pub fn client() -> &'static str {
    if is_mysql() { "mysql" } else { "mariadb" }
}

/// The port in `mysql://root@127.0.0.1:3306/mysql`.
fn port(url: &str) -> u16 {
    let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    port.expect("DBM_TEST_MARIADB_URL has a port")
}

impl Mariadb {
    /// A new, empty database on the server of `scripts/test`.
    ///
    /// # Panics
    /// If there is no server: `scripts/test` starts one and says where it is.
    pub fn new(purpose: &str) -> Self {
        let url = std::env::var("DBM_TEST_MARIADB_URL")
            .expect("DBM_TEST_MARIADB_URL is not set: run the tests through scripts/test");
        Self::at(port(&url), purpose)
    }

    /// A new, empty database on a server of the test's own.
    pub fn on(server: &OwnMariadb, purpose: &str) -> Self {
        Self::at(server.port(), purpose)
    }

    fn at(port: u16, purpose: &str) -> Self {
        let name = format!("{purpose}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let new = Self { port, name };
        new.administer(&format!("CREATE DATABASE {}", new.name));
        new
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, as the server's superuser.
    pub fn url(&self) -> String {
        self.url_as("root")
    }

    /// Its URL, as another account.
    pub fn url_as(&self, account: &str) -> String {
        format!("mysql://{account}@127.0.0.1:{}/{}", self.port, self.name)
    }

    fn client<'a>(&self, port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--no-defaults", "-u", "root", "-h", "127.0.0.1", "-P", port];
        all.extend(more);
        all
    }

    /// Runs a script with `mariadb`, in no database, and gives back what it prints.
    pub fn administer(&self, script: &str) -> String {
        tool(client(), &self.client(&self.port.to_string(), &["-N", "-B"]), script)
    }

    /// Runs a script with `mariadb`.
    pub fn run(&self, script: &str) {
        tool(client(), &self.client(&self.port.to_string(), &[&self.name]), script);
    }

    /// What a query gives, a line a row, columns parted by `|`.
    pub fn ask(&self, query: &str) -> String {
        self.ask_in(&self.name, query)
    }

    /// The same of another database of the server.
    pub fn ask_in(&self, database: &str, query: &str) -> String {
        let port = self.port.to_string();
        let said = tool(client(), &self.client(&port, &["-N", "-B", "-r", database, "-e", query]), "");
        said.trim_end().replace('\t', "|")
    }

    /// All that is in it as `mariadb-dump` tells it, without what is dbm's own, counters, and the rows of `ledger`.
    pub fn dump(&self) -> String {
        let ignored = ["history", "journal", "committed", "source", "swap", "fence"]
            .map(|table| format!("--ignore-table={}.dbm_{table}", self.name));
        let port = self.port.to_string();
        if is_mysql() {
            return self.dump_of_mysql(&port, &ignored);
        }
        let ledger = format!("--ignore-table-data={}.ledger", self.name);
        let mut arguments = self.client(&port, &["--skip-dump-date", "--routines", "--events", "--triggers"]);
        arguments.extend(["--order-by-primary", "--skip-extended-insert", ledger.as_str()]);
        arguments.extend(ignored.iter().map(String::as_str));
        arguments.push(&self.name);
        let dump = tool("mariadb-dump", &arguments, "");
        without_remarks(&dump)
    }

    /// MySQL's own tool leaves out no rows alone, so that it tells definitions and rows in two.
    fn dump_of_mysql(&self, port: &str, ignored: &[String]) -> String {
        let quiet = ["--skip-dump-date", "--no-tablespaces", "--set-gtid-purged=OFF"];
        let definitions = self.client(port, &["--no-data", "--routines", "--events", "--triggers"]);
        let rows = self.client(
            port,
            &["--no-create-info", "--skip-triggers", "--order-by-primary", "--skip-extended-insert"],
        );
        let ledger = format!("--ignore-table={}.ledger", self.name);
        let mut all = String::new();
        for (mut arguments, more) in [(definitions, None), (rows, Some(ledger.as_str()))] {
            arguments.extend(quiet);
            arguments.extend(ignored.iter().map(String::as_str).chain(more));
            arguments.push(&self.name);
            all.push_str(&without_remarks(&tool("mysqldump", &arguments, "")));
        }
        all
    }

    /// The accounts that nobody can log in with, but the server's own.
    pub fn locked(&self) -> Vec<String> {
        let query = if is_mysql() {
            "SELECT user FROM mysql.user WHERE account_locked = 'Y' ORDER BY user"
        } else {
            "SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked') IN ('1', 'true') ORDER BY user"
        };
        let users = self.administer(query);
        users.lines().filter(|user| !user.contains('.')).map(str::to_owned).collect()
    }

    /// What a table's counter gives next.
    pub fn counter(&self, table: &str) -> u64 {
        // MySQL remembers for a day what it has once told.
        let fresh = if is_mysql() { "SET SESSION information_schema_stats_expiry = 0; " } else { "" };
        let query = format!(
            "{fresh}SELECT auto_increment FROM information_schema.tables
              WHERE table_schema = DATABASE() AND table_name = '{table}'"
        );
        self.ask(&query).parse().expect("a counter")
    }

    /// The databases that were made beside this one and bear its name.
    pub fn kin(&self) -> Vec<String> {
        let query = format!(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{}\\_%'",
            self.name
        );
        self.administer(&query).lines().map(str::to_owned).collect()
    }
}

fn without_remarks(dump: &str) -> String {
    let lines = dump.lines().filter(|line| !line.starts_with("-- "));
    lines.map(|line| format!("{}\n", without_counter(line))).collect()
}

/// A counter may be ahead: of a row that was taken back, its number stays taken.
fn without_counter(line: &str) -> String {
    let counter =
        line.split(' ').find(|word| word.starts_with("AUTO_INCREMENT=") && line.starts_with(") ENGINE"));
    counter.map_or_else(|| line.to_owned(), |counter| line.replace(&format!("{counter} "), ""))
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let port = self.port.to_string();
        let (_, kin, _) = try_tool(
            client(),
            &self.client(&port, &["-N", "-B"]),
            &format!(
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{}%'",
                self.name
            ),
        );
        let drops: String = kin.lines().map(|name| format!("DROP DATABASE IF EXISTS `{name}`;")).collect();
        try_tool(client(), &self.client(&port, &[]), &drops);
    }
}
