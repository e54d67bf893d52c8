use std::sync::atomic::{AtomicU32, Ordering};

use crate::{tool, try_tool};

/// A database of a test on the server of `scripts/test`; it is dropped at the end, with all that was made beside it.
#[derive(Debug)]
pub struct Postgres {
    server: String,
    name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// A new, empty database.
    ///
    /// # Panics
    /// If there is no server: `scripts/test` starts one and says where it is.
    pub fn new(purpose: &str) -> Self {
        Self::like(purpose, "template0")
    }

    /// A copy of this database, nobody being connected to it.
    pub fn copy(&self, purpose: &str) -> Self {
        Self::like(purpose, &self.name)
    }

    fn like(purpose: &str, template: &str) -> Self {
        let server = std::env::var("DBM_TEST_POSTGRES_URL")
            .expect("DBM_TEST_POSTGRES_URL is not set: run the tests through scripts/test");
        let name = format!("{purpose}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        tool("psql", &["-qX", &server, "-c", &format!("CREATE DATABASE {name} TEMPLATE {template}")], "");
        Self { server, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, as the server's superuser.
    pub fn url(&self) -> String {
        self.url_of(&self.name)
    }

    /// The URL of another database of the same server.
    ///
    /// # Panics
    /// If the server's URL names no database.
    pub fn url_of(&self, database: &str) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{database}")
    }

    /// Runs a script with psql.
    pub fn run(&self, script: &str) {
        tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &self.url()], script);
    }

    /// What a query gives, a line a row, columns parted by `|`.
    pub fn ask(&self, query: &str) -> String {
        tool("psql", &["-qXAt", "-v", "ON_ERROR_STOP=1", &self.url(), "-c", query], "").trim_end().to_owned()
    }

    /// The schema as `pg_dump` tells it, without what is dbm's own.
    pub fn schema(&self) -> String {
        self.schema_of(&self.name)
    }

    /// The schema of another database of the same server.
    pub fn schema_of(&self, database: &str) -> String {
        let dump = tool(
            "pg_dump",
            &[
                "--schema-only",
                "--exclude-schema=dbm",
                "--exclude-table=public.dbm_history*",
                "--dbname",
                &self.url_of(database),
            ],
            "",
        );
        dump.lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The databases that were made beside this one and bear its name.
    pub fn kin(&self) -> Vec<String> {
        let query = format!("SELECT datname FROM pg_database WHERE datname LIKE '{}%' ORDER BY 1", self.name);
        let all = tool("psql", &["-qXAt", &self.server, "-c", &query], "");
        all.lines().filter(|name| *name != self.name).map(str::to_owned).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for name in self.kin().iter().chain([&self.name]) {
            try_tool(
                "psql",
                &["-qX", &self.server, "-c", &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")],
                "",
            );
        }
    }
}
