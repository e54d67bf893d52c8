//! Random schemas of few names, so that two of them have much in common, as SQL of each engine.

use database::{Engine, quote};

/// Takes small numbers out of a large one.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        // A step of splitmix64: https://prng.di.unimi.it/splitmix64.c
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'l>(&mut self, list: &[&'l str]) -> &'l str {
        list[usize::try_from(self.roll(list.len() as u64)).unwrap()]
    }
}

/// What a table can be called, and how its first column can count.
const TABLES: [&str; 4] = ["item", "or \"der", "Line 2", "user"];

struct Words {
    engine: Engine,
    keys: &'static [&'static str],
    /// Types with a default for each.
    types: &'static [(&'static str, &'static str)],
}

fn words(engine: Engine) -> Words {
    let (keys, types): (&[&str], &[(&str, &str)]) = match engine {
        Engine::Postgres => (
            &["int", "bigint"],
            &[
                ("int", "7"),
                ("bigint", "-1"),
                ("text", "'it''s'"),
                ("varchar(20)", "'a'"),
                ("numeric(8,2)", "1.50"),
                ("timestamptz", "now()"),
                ("mood", "'a'"),
                ("mood[]", "'{b}'"),
                ("text COLLATE \"C\"", "'x'"),
                ("jsonb", "'{\"a\": 1}'"),
            ],
        ),
        Engine::Mysql => (
            &["int", "bigint unsigned", "int AUTO_INCREMENT"],
            &[
                ("int", "7"),
                ("bigint unsigned", "8"),
                ("varchar(20)", "'it''s'"),
                ("varchar(40) COLLATE utf8mb4_bin", "'b'"),
                ("decimal(8,2)", "1.50"),
                ("datetime", "'2020-01-02 03:04:05'"),
                ("timestamp", "CURRENT_TIMESTAMP"),
                ("enum('a','b')", "'a'"),
                ("enum('b','c','a')", "'b'"),
            ],
        ),
        _ => (
            &["INTEGER", "INTEGER", "INTEGER"],
            &[
                ("INTEGER", "7"),
                ("TEXT", "'it''s'"),
                ("REAL", "1.5"),
                ("BLOB", "x'00'"),
                ("varchar(20) COLLATE NOCASE", "'a'"),
                ("TEXT", "CURRENT_TIMESTAMP"),
                ("", "(1 + 2)"),
            ],
        ),
    };
    Words { engine, keys, types }
}

/// The statements that make a random schema.
pub(super) fn schema(engine: Engine, dice: &mut Dice) -> String {
    let words = words(engine);
    let ident = |name: &str| quote::identifier(engine, name);
    let mut sql = String::new();
    let mut after = String::new();
    if engine == Engine::Postgres {
        let labels = dice.pick(&["'a', 'b'", "'a', 'b', 'c'", "'b', 'a'", "'x', 'a', 'y', 'b'"]);
        sql.push_str(&format!("CREATE TYPE mood AS ENUM ({labels});\n"));
        sql.push_str(&format!(
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; /* {} */ END';\n",
            dice.roll(2)
        ));
        let (argument, result) = (dice.pick(&["int", "bigint"]), dice.pick(&["int", "text"]));
        sql.push_str(&format!(
            "CREATE FUNCTION f(a {argument}) RETURNS {result} LANGUAGE sql AS 'SELECT a';\n"
        ));
        if dice.one_in(2) {
            sql.push_str(&format!("CREATE SEQUENCE numbers INCREMENT {};\n", 1 + dice.roll(2)));
        }
    }
    let mut there: Vec<&str> = TABLES.into_iter().filter(|_| !dice.one_in(3)).collect();
    if there.is_empty() {
        there.push(TABLES[0]);
    }
    for (place, name) in there.iter().enumerate() {
        sql.push_str(&table(&words, dice, name));
        let own = ident(name);
        if dice.one_in(2) {
            let unique = if dice.one_in(3) { "UNIQUE " } else { "" };
            let columns = dice.pick(&["id", "n", "n, id"]);
            let index = ident(&format!("{name} index"));
            after.push_str(&format!("CREATE {unique}INDEX {index} ON {own} ({columns});\n"));
        }
        if engine != Engine::Sqlite && dice.one_in(2) {
            let columns = dice.pick(&["n", "n, id", "id, parent"]);
            let late = if engine == Engine::Postgres { dice.pick(&["", " DEFERRABLE"]) } else { "" };
            let key = ident(&format!("{name} key"));
            after.push_str(&format!("ALTER TABLE {own} ADD CONSTRAINT {key} UNIQUE ({columns}){late};\n"));
        }
        if place > 0 && engine != Engine::Sqlite && dice.one_in(2) {
            let other = ident(there[0]);
            let action = dice.pick(&["", " ON DELETE CASCADE", " ON DELETE SET NULL"]);
            after.push_str(&format!(
                "ALTER TABLE {own} ADD CONSTRAINT {} FOREIGN KEY (parent) REFERENCES {other} (code){action};\n",
                ident(&format!("{name} parent"))
            ));
        }
        if dice.one_in(3) {
            let bound = dice.roll(3);
            let columns = dice.pick(&["id, n", "n", "*"]);
            after.push_str(&format!(
                "CREATE VIEW {} AS SELECT {columns} FROM {own} WHERE id > {bound};\n",
                ident(&format!("{name} view"))
            ));
        }
        // On MySQL an account of the scratch database alone may make none beside a binary log.
        if dice.one_in(3) && engine != Engine::Mysql {
            let trigger = ident(&format!("{name} trigger"));
            let when = dice.pick(&["INSERT", "UPDATE"]);
            after.push_str(&match engine {
                Engine::Postgres => format!(
                    "CREATE TRIGGER {trigger} BEFORE {when} ON {own} FOR EACH ROW EXECUTE FUNCTION stamp();\n"
                ),
                _ => format!(
                    "CREATE TRIGGER {trigger} AFTER {when} ON {own} BEGIN DELETE FROM {} WHERE id = NEW.n; END;\n",
                    ident(there[0])
                ),
            });
        }
        if engine == Engine::Postgres && dice.one_in(2) {
            let text = dice.pick(&["why", "it''s \"IS\" so"]);
            let on = dice.pick(&["TABLE", "COLUMN"]);
            let column = if on == "COLUMN" { ".n" } else { "" };
            after.push_str(&format!("COMMENT ON {on} {own}{column} IS '{text}';\n"));
        }
    }
    sql + &after
}

fn table(words: &Words, dice: &mut Dice, name: &str) -> String {
    let Words { engine, keys, types } = words;
    let ident = |name: &str| quote::identifier(*engine, name);
    let counts = if *engine == Engine::Sqlite && dice.one_in(3) { " AUTOINCREMENT" } else { "" };
    // A serial that becomes an identity is to be written by hand.
    const SERIAL: &[&str] = &["int", "bigint", "bigserial"];
    const IDENTITY: &[&str] =
        &["int", "int GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT 2)"];
    let keys = match *engine {
        Engine::Postgres if name.len() == 4 => IDENTITY,
        Engine::Postgres => SERIAL,
        _ => keys,
    };
    let mut clauses = vec![
        format!("id {} PRIMARY KEY{counts}", dice.pick(keys)),
        "code int NOT NULL UNIQUE".to_owned(),
        "n int".to_owned(),
        "parent int".to_owned(),
    ];
    let mut columns = Vec::new();
    for column in ["c 0", "c1", "C2", "c3"] {
        if dice.one_in(3) {
            continue;
        }
        let (data_type, default) = types[usize::try_from(dice.roll(types.len() as u64)).unwrap()];
        let mut clause = format!("{} {data_type}", ident(column));
        if dice.one_in(6) {
            clause = format!("{} int GENERATED ALWAYS AS (n + {}) STORED", ident(column), dice.roll(2));
        } else {
            // A timestamp of MySQL's may not be without both.
            let bare = data_type != "timestamp" && dice.one_in(2);
            if !bare {
                clause.push_str(&format!(" DEFAULT {default}"));
            }
            if data_type == "timestamp" || dice.one_in(3) {
                clause.push_str(" NOT NULL");
            }
            if *engine == Engine::Mysql && dice.one_in(4) {
                clause.push_str(" COMMENT 'it''s, (so)'");
            }
        }
        columns.push(clause);
    }
    if dice.one_in(2) && *engine != Engine::Postgres {
        columns.reverse();
    }
    clauses.extend(columns);
    if dice.one_in(3) {
        clauses.push(format!("CONSTRAINT {} CHECK (n > {})", ident(&format!("{name} check")), dice.roll(2)));
    }
    if *engine == Engine::Sqlite && dice.one_in(3) {
        clauses.push(format!("FOREIGN KEY (parent) REFERENCES {} (code)", ident("item")));
    }
    let options = if *engine == Engine::Mysql && dice.one_in(3) { " COMMENT='all of it'" } else { "" };
    let options =
        if *engine == Engine::Postgres && dice.one_in(4) { " WITH (fillfactor=70)" } else { options };
    format!("CREATE TABLE {} ({}){options};\n", ident(name), clauses.join(", "))
}
