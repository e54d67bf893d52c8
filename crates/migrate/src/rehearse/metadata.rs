//! The locks of MySQL and MariaDB on tables: where the server shows them, and how long a statement had which.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use backup::Result;
use database::mysql::{HISTORY_TABLE, OWN_TABLES, is_database};
use database::script::{self, Lexeme};
use database::{ErrorKind, Session};

/// The modes of a lock on a table, the strongest last
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/classMDL__key.html>, `enum_mdl_type` in `sql/mdl.h`).
pub(super) const MODES: [&str; 10] = [
    "SHARED",
    "SHARED_HIGH_PRIO",
    "SHARED_READ",
    "SHARED_WRITE",
    "SHARED_WRITE_LOW_PRIO",
    "SHARED_UPGRADABLE",
    "SHARED_READ_ONLY",
    "SHARED_NO_WRITE",
    "SHARED_NO_READ_WRITE",
    "EXCLUSIVE",
];

/// How closely a statement is looked at when it begins: most are over soon.
const AT_FIRST: Duration = Duration::from_millis(1);

/// How often when it lasts.
const LATER: Duration = Duration::from_millis(10);

/// So many looks are close.
const FIRST: u32 = 30;

/// How long to wait after so many looks.
pub(super) fn pause(looks: u32) -> Duration {
    if looks < FIRST { AT_FIRST } else { LATER }
}

/// A mode as the server names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mode {
    /// One that nobody knows yet counts as the strongest.
    strength: usize,
    pub(super) name: String,
}

impl Mode {
    pub(super) fn named(name: &str) -> Self {
        // The plugin writes `MDL_EXCLUSIVE`.
        let name = name.strip_prefix("MDL_").unwrap_or(name);
        let strength = MODES.iter().position(|mode| *mode == name).unwrap_or(MODES.len());
        Self { strength, name: name.to_owned() }
    }

    /// Whether others wait for a statement that has it.
    ///
    /// The lock itself keeps writers waiting from `SHARED_READ_ONLY` on. Under `SHARED_WRITE` it is the rows that do, and the
    /// gaps between them; they are in no list of all versions, so that every writer counts.
    pub(super) fn blocks(&self, statement: &[Lexeme<'_>]) -> bool {
        match self.name.as_str() {
            "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" => true,
            "SHARED_READ" => locks_read_rows(statement),
            UNFOLLOWED => !is_online(statement),
            _ => self.strength >= Self::named("SHARED_READ_ONLY").strength,
        }
    }
}

/// The strongest lock that a session has on each table.
pub(super) type Held = BTreeMap<String, Mode>;

/// What stands for a `SHARED_UPGRADABLE` whose end nobody sees: as an unknown mode it counts as the strongest.
const UNFOLLOWED: &str = "SHARED_UPGRADABLE or stronger";

/// Where the server shows locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `performance_schema.metadata_locks`: <https://dev.mysql.com/doc/refman/9.5/en/performance-schema-metadata-locks-table.html>.
    PerformanceSchema,
    /// The same of MariaDB, which goes on showing the mode that a lock had at first when it has got a stronger one.
    FirstModes,
    /// MariaDB's plugin: <https://mariadb.com/kb/en/metadata-lock-info-plugin/>.
    Plugin,
}

impl Source {
    /// Where another session finds those of a session that has dbm's own lock, or what to do so that it does.
    pub(super) async fn find(other: &mut dyn Session, session: i64) -> Result<Result<Self, String>> {
        let about = "SELECT @@version, @@performance_schema";
        let about = other.own(about).await?.into_iter().flatten().map(Option::unwrap_or_default);
        let about: Vec<String> = about.collect();
        let is_mariadb = about.first().is_some_and(|version| version.contains("MariaDB"));
        let is_on = about.get(1).is_some_and(|on| on == "1");
        let sources: &[Self] = match (is_mariadb, is_on) {
            (true, true) => &[Self::Plugin, Self::FirstModes],
            (true, false) => &[Self::Plugin],
            (false, true) => &[Self::PerformanceSchema],
            (false, false) => &[],
        };
        let mut refused = false;
        for source in sources {
            // The lock that keeps other runs out is in the same list.
            let sql = format!("SELECT 1 {} LIMIT 1", source.from(session));
            match other.own(&sql).await {
                Ok(rows) if !rows.is_empty() => return Ok(Ok(*source)),
                Ok(_) => {}
                Err(error) => refused |= error.kind() == ErrorKind::Permission,
            }
        }
        Ok(Err(advice(is_mariadb, is_on, refused)))
    }

    fn from(self, session: i64) -> String {
        match self {
            Self::PerformanceSchema | Self::FirstModes => format!(
                "FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id \
                 WHERE t.processlist_id = {session} AND l.lock_status = 'GRANTED'"
            ),
            Self::Plugin => {
                format!("FROM information_schema.metadata_lock_info l WHERE l.thread_id = {session}")
            }
        }
    }

    /// The locks of a session on tables of a database.
    pub(super) async fn held(self, other: &mut dyn Session, session: i64, database: &str) -> Result<Held> {
        let (columns, table) = match self {
            Self::PerformanceSchema | Self::FirstModes => (
                "l.object_name, l.lock_type",
                format!("l.object_type = 'TABLE' AND {}", is_database("l.object_schema", database)),
            ),
            Self::Plugin => (
                "l.table_name, l.lock_mode",
                format!(
                    "l.lock_type = 'Table metadata lock' AND {}",
                    is_database("l.table_schema", database)
                ),
            ),
        };
        let sql = format!("SELECT {columns} {} AND {table}", self.from(session));
        let mut held = Held::new();
        for row in other.own(&sql).await? {
            let mut values = row.into_iter().flatten();
            if let (Some(table), Some(mode)) = (values.next(), values.next())
                && !is_own(&table)
            {
                let mode = match self {
                    Self::FirstModes if mode == "SHARED_UPGRADABLE" => UNFOLLOWED,
                    _ => &mode,
                };
                keep_stronger(&mut held, table, Mode::named(mode));
            }
        }
        Ok(held)
    }
}

/// What to switch on, and where.
fn advice(is_mariadb: bool, is_on: bool, refused: bool) -> String {
    const SWITCH: &str = "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'wait/lock/metadata/sql/mdl'";
    match (is_mariadb, is_on, refused) {
        (_, true, true) => {
            "this account may not read them: GRANT SELECT ON performance_schema.* TO it".to_owned()
        }
        (true, true, _) => format!("switch them on: {SWITCH}; or INSTALL SONAME 'metadata_lock_info'"),
        (true, false, true) => "this account may not read them: GRANT PROCESS ON *.* TO it".to_owned(),
        (true, false, _) => {
            "switch them on: INSTALL SONAME 'metadata_lock_info', or start it with performance_schema=ON and \
                             performance-schema-instrument='wait/lock/metadata/sql/mdl=ON'"
                .to_owned()
        }
        (false, true, _) => format!("switch them on: {SWITCH}"),
        (false, false, _) => "start it with performance_schema=ON".to_owned(),
    }
}

/// Whether it is a table of dbm's, or one that the server makes for the length of a statement.
fn is_own(table: &str) -> bool {
    table == HISTORY_TABLE || OWN_TABLES.contains(&table) || table.starts_with("#sql")
}

fn keep_stronger(held: &mut Held, table: String, mode: Mode) {
    match held.get_mut(&table) {
        Some(known) if *known >= mode => {}
        Some(known) => *known = mode,
        None => {
            held.insert(table, mode);
        }
    }
}

/// What is seen of a statement's locks, one look after the other.
pub(super) struct Watched {
    /// When the last look began.
    since: Instant,
    /// What it saw.
    held: Held,
    times: BTreeMap<(String, Mode), Duration>,
    /// The longest time between two looks.
    gap: Duration,
}

impl Watched {
    /// From the statement's beginning, with what the session holds already.
    pub(super) fn new(began: Instant, held: Held) -> Self {
        Self { since: began, held, times: BTreeMap::new(), gap: Duration::ZERO }
    }

    /// A look that took so long. What was held before it or after it may have been held all the time between.
    pub(super) fn look(&mut self, began: Instant, ended: Instant, held: Held) {
        let between = ended.saturating_duration_since(self.since);
        let mut either = std::mem::take(&mut self.held);
        for (table, mode) in &held {
            keep_stronger(&mut either, table.clone(), mode.clone());
        }
        for lock in either {
            *self.times.entry(lock).or_default() += between;
        }
        self.gap = self.gap.max(between);
        self.since = began;
        self.held = held;
    }

    /// How long each table was locked in a mode or a stronger one, at most, in a statement that took so long; by table, the
    /// strongest mode first.
    pub(super) fn times(&self, took: Duration) -> BTreeMap<&str, Vec<(&Mode, Duration)>> {
        let mut times: BTreeMap<&str, Vec<(&Mode, Duration)>> = BTreeMap::new();
        for ((table, mode), time) in self.times.iter().rev() {
            let of_table = times.entry(table).or_default();
            let stronger = of_table.last().map_or(Duration::ZERO, |(_, time)| *time);
            of_table.push((mode, (stronger + *time).min(took)));
        }
        times
    }

    /// How long a lock may have been there at most that was gone before anybody looked.
    pub(super) fn gap(&self, took: Duration) -> Duration {
        self.gap.min(took)
    }
}

/// First words of statements that lock no table of their own doing; what their functions do is seen where it lasts.
const QUIET: [&str; 16] = [
    "COMMIT",
    "DEALLOCATE",
    "DESC",
    "DESCRIBE",
    "DO",
    "EXPLAIN",
    "PREPARE",
    "RELEASE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "UNLOCK",
    "USE",
];

/// Whether a statement may lock what others use, by its words.
pub(super) fn may_lock(words: &[Lexeme<'_>]) -> bool {
    let words = script::without_settings(words);
    let begins = |word: &&str| script::begins(words, &[word]);
    let is_quiet = begins(&"BEGIN") || QUIET.iter().any(begins);
    script::is_block(words) || !is_quiet || locks_read_rows(words)
}

/// Whether the server refuses a statement rather than keep writers out for longer than moments: `LOCK = NONE`.
fn is_online(words: &[Lexeme<'_>]) -> bool {
    let none = |rest: &[Lexeme<'_>]| {
        rest.iter().find(|word| !word.is_sign(b'=')).is_some_and(|word| word.is("NONE"))
    };
    words.iter().enumerate().any(|(place, word)| word.is("LOCK") && none(&words[place + 1..]))
}

/// Whether a statement locks the rows that it reads, by its words: outside of `SELECT` InnoDB does
/// (<https://dev.mysql.com/doc/refman/9.5/en/innodb-locks-set.html>).
fn locks_read_rows(words: &[Lexeme<'_>]) -> bool {
    let words = script::without_settings(words);
    let begins = |word: &str| script::begins(words, &[word]);
    let holds = |phrase: &[&str]| script::holds(words, phrase);
    let writes = ["CALL", "DELETE", "EXECUTE", "INSERT", "REPLACE", "UPDATE"].iter().any(|word| begins(word))
        || script::is_block(words)
        || begins("WITH") && (holds(&["UPDATE"]) || holds(&["DELETE"]))
        || begins("CREATE") && holds(&["TABLE"]) && holds(&["SELECT"]);
    writes || holds(&["FOR", "UPDATE"]) || holds(&["FOR", "SHARE"]) || holds(&["LOCK", "IN", "SHARE", "MODE"])
}

#[cfg(test)]
mod tests {
    use database::Engine;

    use super::*;

    fn held(locks: &[(&str, &str)]) -> Held {
        locks.iter().map(|(table, mode)| ((*table).to_owned(), Mode::named(mode))).collect()
    }

    #[test]
    fn modes_have_one_order_and_unknown_ones_count() {
        assert_eq!(Mode::named("MDL_EXCLUSIVE"), Mode::named("EXCLUSIVE"));
        assert!(MODES.map(Mode::named).windows(2).all(|pair| pair[0] < pair[1]));
        let words = |text| script::lexemes(Engine::Mysql, text).unwrap();
        let blocking = |text| {
            let words = words(text);
            MODES.into_iter().filter(|mode| Mode::named(mode).blocks(&words)).collect::<Vec<_>>()
        };
        let strong = ["SHARED_READ_ONLY", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"];
        let alter = "ALTER TABLE a ADD INDEX (lock)";
        assert_eq!(blocking(alter), [&["SHARED_WRITE", "SHARED_WRITE_LOW_PRIO"][..], &strong].concat());
        assert!(blocking("INSERT INTO a SELECT * FROM b").contains(&"SHARED_READ"));
        assert!(Mode::named("SHARED_BY_NOBODY").blocks(&words(alter)));
        let unfollowed = |text| Mode::named(UNFOLLOWED).blocks(&words(text));
        assert!(unfollowed(alter) && unfollowed("ALTER TABLE a FORCE, LOCK = SHARED"));
        assert!(
            !unfollowed("ALTER TABLE a FORCE, LOCK = NONE")
                && !unfollowed("CREATE INDEX i ON a (b) LOCK NONE")
        );
    }

    #[test]
    fn times_are_those_that_locks_may_have_had_at_most() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut watched = Watched::new(began, Held::new());
        for (place, locks) in [
            &[("item", "SHARED_UPGRADABLE")][..],
            &[("item", "SHARED_NO_WRITE"), ("other", "SHARED_READ")],
            &[("item", "SHARED_NO_WRITE")],
            &[("item", "EXCLUSIVE")],
            &[],
        ]
        .iter()
        .enumerate()
        {
            let ms = 10 * (place as u64 + 1);
            watched.look(at(ms), at(ms), held(locks));
        }
        let ms = Duration::from_millis;
        let times = watched.times(ms(50));
        let item: Vec<_> = times["item"].iter().map(|(mode, time)| (mode.name.as_str(), *time)).collect();
        assert_eq!(item, [("EXCLUSIVE", ms(20)), ("SHARED_NO_WRITE", ms(40)), ("SHARED_UPGRADABLE", ms(50))]);
        assert_eq!(times["other"].iter().map(|(_, time)| *time).collect::<Vec<_>>(), [ms(20)]);
        assert_eq!(watched.gap(ms(50)), ms(10));
        // Nothing lasts longer than its statement.
        assert!(watched.times(ms(5)).values().flatten().all(|(_, time)| *time == ms(5)));
    }

    #[test]
    fn a_look_that_takes_long_is_a_gap() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut watched = Watched::new(began, Held::new());
        watched.look(at(1), at(2), Held::new());
        watched.look(at(3), at(403), Held::new());
        assert_eq!(watched.gap(Duration::from_secs(9)), Duration::from_millis(402));
    }

    #[test]
    fn which_statements_lock() {
        let words = |text| script::lexemes(Engine::Mysql, text).unwrap();
        for text in [
            "ALTER TABLE a ADD b int",
            "INSERT INTO a VALUES (1)",
            "BEGIN NOT ATOMIC SELECT 1; END",
            "IF EXISTS (SELECT 1 FROM a) THEN DROP TABLE a; END IF",
            "SET STATEMENT lock_wait_timeout = 1 FOR ALTER TABLE a ADD b int",
            "EXECUTE IMMEDIATE 'DROP TABLE a'",
            "LOCK TABLES a READ",
        ] {
            assert!(may_lock(&words(text)), "{text}");
        }
        for text in
            ["SELECT 1", "BEGIN", "START TRANSACTION", "SET foreign_key_checks = 0", "DO sleep(1)", "COMMIT"]
        {
            assert!(!may_lock(&words(text)) && !locks_read_rows(&words(text)), "{text}");
        }
        for text in [
            "INSERT INTO a SELECT * FROM b",
            "CREATE TABLE a AS SELECT * FROM b",
            "SELECT * FROM a FOR SHARE",
            "SELECT * FROM a LOCK IN SHARE MODE",
            "WITH c AS (SELECT 1) DELETE FROM a",
            "SET STATEMENT max_statement_time = 1 FOR UPDATE a SET b = 1",
            "BEGIN NOT ATOMIC DELETE FROM a; END",
        ] {
            assert!(locks_read_rows(&words(text)) && may_lock(&words(text)), "{text}");
        }
        for text in ["CREATE VIEW v AS SELECT * FROM a", "ALTER TABLE a ADD b int", "CREATE TABLE a (b int)"]
        {
            assert!(!locks_read_rows(&words(text)), "{text}");
        }
    }
}
