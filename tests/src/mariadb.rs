use std::sync::atomic::{AtomicU32, Ordering};

use crate::{OwnMariadb, tool, try_tool};

/// A database of a test on a MariaDB server; it is dropped at the end, with all that was made beside it.
#[derive(Debug)]
pub struct Mariadb {
    port: u16,
    name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

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
        tool("mariadb", &self.client(&self.port.to_string(), &["-N", "-B"]), script)
    }

    /// Runs a script with `mariadb`.
    pub fn run(&self, script: &str) {
        tool("mariadb", &self.client(&self.port.to_string(), &[&self.name]), script);
    }

    /// What a query gives, a line a row, columns parted by `|`.
    pub fn ask(&self, query: &str) -> String {
        self.ask_in(&self.name, query)
    }

    /// The same of another database of the server.
    pub fn ask_in(&self, database: &str, query: &str) -> String {
        let port = self.port.to_string();
        let said = tool("mariadb", &self.client(&port, &["-N", "-B", "-r", database, "-e", query]), "");
        said.trim_end().replace('\t', "|")
    }

    /// All that is in it as `mariadb-dump` tells it, without what is dbm's own, counters, and the rows of `ledger`.
    pub fn dump(&self) -> String {
        let ignored = ["history", "journal", "committed", "source", "swap"]
            .map(|table| format!("--ignore-table={}.dbm_{table}", self.name));
        let ledger = format!("--ignore-table-data={}.ledger", self.name);
        let port = self.port.to_string();
        let mut arguments = self.client(&port, &["--skip-dump-date", "--routines", "--events", "--triggers"]);
        arguments.extend(["--order-by-primary", "--skip-extended-insert", ledger.as_str()]);
        arguments.extend(ignored.iter().map(String::as_str));
        arguments.push(&self.name);
        let dump = tool("mariadb-dump", &arguments, "");
        let lines = dump.lines().filter(|line| !line.starts_with("-- "));
        lines.map(|line| format!("{}\n", without_counter(line))).collect()
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
            "mariadb",
            &self.client(&port, &["-N", "-B"]),
            &format!(
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{}%'",
                self.name
            ),
        );
        let drops: String = kin.lines().map(|name| format!("DROP DATABASE IF EXISTS `{name}`;")).collect();
        try_tool("mariadb", &self.client(&port, &[]), &drops);
    }
}
