//! Random schemas: what is made of them is equal to them, whatever order they were made in.

use proptest::prelude::*;

use super::super::sql::ident;
use super::{assert_same, body, dump, psql, roles, same, schema, script, server, since, url};

/// A statement, and the places of those that have to come before it.
struct Piece {
    sql: String,
    after: Vec<usize>,
}

/// A table or view: what it is called, what it has, and which pieces it takes to use it.
#[derive(Clone)]
struct Relation {
    name: String,
    columns: Vec<String>,
    /// What its first column is: an `int` that is never NULL.
    key: String,
    /// The last piece that changed what heirs and readers see of it.
    piece: usize,
    primary: Option<usize>,
    partitioned: bool,
    /// Whether it is a table of its own: no partition, no view.
    plain: bool,
    roots: Vec<String>,
    indexed: bool,
}

#[derive(Default)]
struct World {
    pieces: Vec<Piece>,
    tables: Vec<Relation>,
    views: Vec<Relation>,
    /// Functions of an `int`, those without arguments, and types with the function that is used in making a value.
    of_int: Vec<(String, usize)>,
    bare: Vec<(String, usize)>,
    types: Vec<(String, usize)>,
}

/// Takes small numbers out of a large one.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // A step of splitmix64: https://prng.di.unimi.it/splitmix64.c
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % sides.max(1) as u64).unwrap()
    }

    fn pick<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        list.get(self.roll(list.len()))
    }
}

impl World {
    fn add(&mut self, sql: String, after: Vec<usize>) -> usize {
        self.pieces.push(Piece { sql, after });
        self.pieces.len() - 1
    }

    /// The pieces that mention it.
    fn about(&self, name: &str) -> Vec<usize> {
        (0..self.pieces.len()).filter(|piece| self.pieces[*piece].sql.contains(name)).collect()
    }

    /// Names whose order is not that of their making.
    fn name(&self, dice: &mut Dice) -> String {
        let number = self.pieces.len();
        let start = ["zeta", "alpha", "Mid \"dle", "user"][dice.roll(4)];
        format!("{}.{}", ["a", "b"][dice.roll(2)], ident(&format!("{start}{number}")))
    }

    fn grow(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        let number = self.pieces.len();
        let name = self.name(&mut dice);
        match dice.roll(20) {
            0 | 1 => self.table(&mut dice, &name),
            2 | 3 => self.heir(&mut dice, &name),
            4 => self.parted(&name, &mut dice),
            5 | 6 => self.part(&name, &mut dice),
            7 => self.view(&mut dice, &name),
            8 => self.view_over_view(&mut dice, &name),
            9 => {
                let one = self.add(
                    format!("CREATE FUNCTION {name}(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'"),
                    vec![],
                );
                self.of_int.push((name, one));
            }
            10 => {
                let Some(read) = dice.pick(&self.tables).cloned() else { return };
                let sql = format!(
                    "CREATE FUNCTION {name}() RETURNS int LANGUAGE sql {}",
                    body(&format!("SELECT count(*)::int FROM {}", read.name))
                );
                let one = self.add(sql, vec![read.piece]);
                self.bare.push((name, one));
            }
            11 => {
                // A default that may read the table that it is of.
                let place = dice.roll(self.tables.len());
                let Some((function, made)) = dice.pick(&self.bare).cloned() else { return };
                let Some(table) = self.tables.get(place).cloned() else { return };
                // Heirs that are there keep theirs, those that come have this one.
                let mut after = self.about(&table.name);
                after.push(made);
                let sql =
                    format!("ALTER TABLE ONLY {} ALTER {} SET DEFAULT {function}()", table.name, table.key);
                self.tables[place].piece = self.add(sql, after);
            }
            12 => {
                let Some((function, made)) = dice.pick(&self.of_int).cloned() else { return };
                let Some(table) = dice.pick(&self.tables).cloned() else { return };
                let (name, key) = (table.name, table.key);
                let sql = if dice.roll(2) == 0 {
                    format!("ALTER TABLE {name} ADD CONSTRAINT check{number} CHECK ({function}({key}) > 0)")
                } else {
                    format!(
                        "CREATE INDEX index{number} ON {name} (({function}({key})), {key} DESC) WHERE {key} > 3"
                    )
                };
                if !table.partitioned {
                    self.add(sql, vec![made, table.piece]);
                } else if sql.starts_with("ALTER") {
                    // What is attached later would have to have it.
                    let mut after = self.about(&name);
                    after.push(made);
                    self.add(sql, after);
                }
            }
            13 => self.primary(&mut dice),
            14 | 15 => {
                let place = dice.roll(self.tables.len());
                let (Some(from), Some(to)) = (self.tables.get(place), dice.pick(&self.tables)) else {
                    return;
                };
                let Some(primary) = to.primary else { return };
                let sql = format!(
                    "ALTER TABLE {} ADD CONSTRAINT foreign{number} FOREIGN KEY ({}) REFERENCES {}",
                    from.name, from.key, to.name
                );
                let mut after = vec![from.piece, to.piece, primary];
                // Which of several that are equal takes a partition's own for its own is a matter of their order.
                let equal = format!("FOREIGN KEY ({}) REFERENCES {}", from.key, to.name);
                after.extend((0..number).filter(|piece| self.pieces[*piece].sql.ends_with(&equal)));
                self.add(sql, after);
            }
            16 => {
                let sql = match dice.roll(3) {
                    0 => format!("CREATE TYPE {name} AS ENUM ('b', 'a')"),
                    1 if since(14) => format!(
                        "CREATE TYPE {name} AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = a.many{number})"
                    ),
                    1 => format!("CREATE TYPE {name} AS RANGE (SUBTYPE = float8)"),
                    _ => format!("CREATE TYPE {name} AS (x int, y text)"),
                };
                let one = self.add(sql, vec![]);
                self.types.push((name, one));
            }
            17 => {
                let Some((function, made)) = dice.pick(&self.of_int).cloned() else { return };
                let sql =
                    format!("CREATE DOMAIN {name} AS int CONSTRAINT fits CHECK ({function}(VALUE) > 0)");
                let one = self.add(sql, vec![made]);
                self.types.push((name, one));
            }
            18 => {
                // A view and a function that need each other.
                let sql = format!(
                    "CREATE VIEW {name} AS SELECT 1 AS n;
                     CREATE FUNCTION a.of_view{number}() RETURNS SETOF {name} LANGUAGE sql AS 'SELECT 1';
                     CREATE OR REPLACE VIEW {name} AS SELECT n FROM a.of_view{number}()"
                );
                let piece = self.add(sql, vec![]);
                self.views.push(Relation {
                    name,
                    columns: vec!["n".into()],
                    key: "n".into(),
                    piece,
                    ..empty()
                });
            }
            _ => {
                let Some(table) = dice.pick(&self.tables).cloned() else { return };
                let Relation { name, key, .. } = table;
                let sql = match dice.roll(6) {
                    0 => format!("COMMENT ON TABLE {name} IS 'the same, however often'"),
                    1 => format!("COMMENT ON COLUMN {name}.{key} IS 'the same, however often'"),
                    2 => format!("GRANT SELECT ({key}) ON {name} TO dbm_test_app"),
                    3 => format!("CREATE POLICY policy{number} ON {name} USING ({key} > 1)"),
                    4 => format!("CREATE RULE rule{number} AS ON DELETE TO {name} DO ALSO NOTIFY x"),
                    _ if since(14) => {
                        format!("CREATE STATISTICS a.stats{number} ON ({key} + 1), ({key} + 2) FROM {name}")
                    }
                    _ => return,
                };
                self.add(sql, vec![table.piece]);
            }
        }
    }

    fn table(&mut self, dice: &mut Dice, name: &str) {
        let number = self.pieces.len();
        let (key, mut columns) = (format!("k{number}"), vec![format!("k{number}"), format!("v{number}")]);
        let kind = ["", " DEFAULT 7"][dice.roll(2)];
        let mut list = format!("{key} int NOT NULL{kind}, v{number} text DEFAULT 'it''s'");
        if dice.roll(3) == 0 {
            list.push_str(&format!(", i{number} int GENERATED ALWAYS AS IDENTITY"));
            columns.push(format!("i{number}"));
        }
        let mut after = vec![];
        if let Some((data_type, made)) = dice.pick(&self.types).cloned() {
            let array = ["", "[]"][dice.roll(2)];
            list.push_str(&format!(", t{number} {data_type}{array}"));
            columns.push(format!("t{number}"));
            after.push(made);
        }
        let piece = self.add(format!("CREATE TABLE {name} ({list})"), after);
        let roots = vec![name.to_owned()];
        self.tables.push(Relation { name: name.into(), columns, key, piece, plain: true, roots, ..empty() });
    }

    fn heir(&mut self, dice: &mut Dice, name: &str) {
        let number = self.pieces.len();
        let plain: Vec<Relation> = self.tables.iter().filter(|table| table.plain).cloned().collect();
        let Some(one) = dice.pick(&plain).cloned() else { return };
        let mut parents = vec![one];
        // Two parents with the same columns could have two defaults for one.
        let other =
            dice.pick(&plain).filter(|other| !other.roots.iter().any(|root| parents[0].roots.contains(root)));
        parents.extend(other.cloned());
        let names: Vec<&str> = parents.iter().map(|parent| parent.name.as_str()).collect();
        let mut columns: Vec<String> = parents.iter().flat_map(|parent| parent.columns.clone()).collect();
        columns.push(format!("h{number}"));
        let own = format!("h{number} int");
        let sql = format!("CREATE TABLE {name} ({own}) INHERITS ({})", names.join(", "));
        let after = parents.iter().map(|parent| parent.piece).collect();
        let piece = self.add(sql, after);
        let roots = parents.iter().flat_map(|parent| parent.roots.clone()).collect();
        let key = parents[0].key.clone();
        self.tables.push(Relation { name: name.into(), columns, key, piece, plain: true, roots, ..empty() });
    }

    fn parted(&mut self, name: &str, dice: &mut Dice) {
        let number = self.pieces.len();
        let way = ["RANGE", "LIST", "HASH"][dice.roll(3)];
        let sql = format!(
            "CREATE TABLE {name} (k{number} int NOT NULL, v{number} text) PARTITION BY {way} (k{number})"
        );
        let piece = self.add(sql, vec![]);
        let (columns, key) = (vec![format!("k{number}"), format!("v{number}")], format!("k{number}"));
        let roots = vec![way.to_owned()];
        self.tables.push(Relation {
            name: name.into(),
            columns,
            key,
            piece,
            partitioned: true,
            roots,
            ..empty()
        });
    }

    fn part(&mut self, name: &str, dice: &mut Dice) {
        let number = self.pieces.len();
        let parted: Vec<Relation> = self.tables.iter().filter(|table| table.partitioned).cloned().collect();
        let Some(parent) = dice.pick(&parted).cloned() else { return };
        let bound = match parent.roots[0].as_str() {
            "RANGE" => format!("FROM ({number}0) TO ({number}9)"),
            "LIST" => format!("IN ({number}0, {number}1)"),
            _ => format!("WITH (MODULUS 1024, REMAINDER {})", number % 1024),
        };
        // One that was made alone has its columns in an order of its own.
        let sql = if dice.roll(2) == 0 {
            format!("CREATE TABLE {name} PARTITION OF {} FOR VALUES {bound}", parent.name)
        } else {
            let [key, value] = [&parent.columns[0], &parent.columns[1]];
            format!(
                "CREATE TABLE {name} ({value} text, {key} int NOT NULL);
                 ALTER TABLE {} ATTACH PARTITION {name} FOR VALUES {bound}",
                parent.name
            )
        };
        // What is attached has to have the checks, which it gets only when they come after it.
        let mut after = vec![parent.piece];
        after.extend((0..self.pieces.len()).filter(|piece| {
            let sql = &self.pieces[*piece].sql;
            sql.contains(&parent.name) && sql.contains(" CHECK ")
        }));
        if after.len() > 1 {
            return;
        }
        let piece = self.add(sql, after);
        let (columns, key) = (parent.columns, parent.key);
        self.tables.push(Relation { name: name.into(), columns, key, piece, ..empty() });
    }

    fn primary(&mut self, dice: &mut Dice) {
        let number = self.pieces.len();
        let place = dice.roll(self.tables.len());
        let Some(table) = self.tables.get(place).cloned() else { return };
        if table.primary.is_some() || table.indexed || !(table.plain || table.partitioned) {
            return;
        }
        let key = &table.key;
        let sql = format!("ALTER TABLE {} ADD CONSTRAINT primary{number} PRIMARY KEY ({key})", table.name);
        let piece = self.add(sql, vec![table.piece]);
        self.tables[place].primary = Some(piece);
    }

    fn view(&mut self, dice: &mut Dice, name: &str) {
        let Some(table) = dice.pick(&self.tables).cloned() else { return };
        let key = &table.key;
        let mut after = vec![table.piece];
        let grouped = table.primary.is_some() && dice.roll(2) == 0;
        let body = if grouped {
            after.extend(table.primary);
            format!(
                "SELECT {}, count(*) AS counted FROM {} GROUP BY {key}",
                table.columns.join(", "),
                table.name
            )
        } else {
            format!("SELECT {} FROM {} WHERE {key} > 2 ORDER BY {key}", table.columns.join(", "), table.name)
        };
        let word = ["VIEW", "MATERIALIZED VIEW"][dice.roll(2)];
        let piece = self.add(format!("CREATE {word} {name} AS {body}"), after);
        let (columns, key) = (table.columns.clone(), table.key);
        self.views.push(Relation { name: name.into(), columns, key, piece, ..empty() });
    }

    fn view_over_view(&mut self, dice: &mut Dice, name: &str) {
        let (Some(one), Some(other)) = (dice.pick(&self.views).cloned(), dice.pick(&self.views).cloned())
        else {
            return;
        };
        let columns: Vec<String> = one.columns.iter().map(|column| format!("x.{column}")).collect();
        let body = format!(
            "SELECT {} FROM {} x JOIN {} y ON x.{} = y.{}",
            columns.join(", "),
            one.name,
            other.name,
            one.key,
            other.key
        );
        let word = ["VIEW", "MATERIALIZED VIEW"][dice.roll(2)];
        let piece = self.add(format!("CREATE {word} {name} AS {body}"), vec![one.piece, other.piece]);
        self.views.push(Relation { name: name.into(), piece, ..one });
    }

    /// All statements, in any order in which each comes after what it needs.
    fn in_any_order(&self, seed: u64) -> String {
        let mut dice = Dice(seed);
        let mut left: Vec<usize> = (0..self.pieces.len()).collect();
        let mut text = START.to_owned();
        while !left.is_empty() {
            let ready: Vec<usize> = (0..left.len())
                .filter(|at| !self.pieces[left[*at]].after.iter().any(|need| left.contains(need)))
                .collect();
            let piece = left.remove(*dice.pick(&ready).unwrap());
            text.push_str(&format!("{};\n", self.pieces[piece].sql));
        }
        text
    }

    fn in_order(&self) -> String {
        let pieces: Vec<String> = self.pieces.iter().map(|piece| format!("{};\n", piece.sql)).collect();
        START.to_owned() + &pieces.concat()
    }
}

const START: &str =
    "SET client_min_messages = error; SET check_function_bodies = off;\nCREATE SCHEMA a; CREATE SCHEMA b;\n";

fn empty() -> Relation {
    Relation {
        name: String::new(),
        columns: Vec::new(),
        key: String::new(),
        piece: 0,
        primary: None,
        partitioned: false,
        plain: false,
        roots: Vec::new(),
        indexed: false,
    }
}

/// pg_dump lists the tables that a table inherits from by their numbers, which differ from database to database.
fn listed(text: &str) -> String {
    let sorted = |line: &str| {
        let Some(list) = line.strip_prefix("INHERITS (").and_then(|rest| rest.strip_suffix(");")) else {
            return line.to_owned();
        };
        let mut names: Vec<&str> = list.split(", ").collect();
        names.sort_unstable();
        format!("INHERITS ({});", names.join(", "))
    };
    text.lines().map(sorted).collect::<Vec<_>>().join("\n")
}

fn emptied(which: &str) -> String {
    let name = format!("dbm_catalog_random_{which}");
    psql(
        &server(),
        &format!("DROP DATABASE IF EXISTS {name};\nCREATE DATABASE {name} TEMPLATE template0;\n"),
    );
    url(&name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn random_schemas_come_back_and_do_not_depend_on_the_order_of_making(
        seeds in proptest::collection::vec(any::<u64>(), 10..70),
        order in any::<u64>(),
    ) {
        roles();
        let mut world = World::default();
        seeds.iter().for_each(|seed| world.grow(*seed));
        let [one, other, copy] = ["one", "other", "copy"].map(emptied);
        psql(&one, &world.in_order());
        psql(&other, &world.in_any_order(order));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let first = runtime.block_on(schema(&one));
        assert!(first.refused.is_empty(), "{:?}", first.refused);
        let second = runtime.block_on(schema(&other));
        same("the scripts of two orders", &script(&first), &script(&second));
        assert_same(&first, &second);
        psql(&copy, &format!("SET client_min_messages = error;\n{}", script(&first)));
        same("the dumps", &listed(&dump(&one)), &listed(&dump(&copy)));
        assert_same(&first, &runtime.block_on(schema(&copy)));
    }
}
