mod calls;
mod columns;
mod events;
mod keys;
mod kinds;
mod random;
mod renames;
mod sides;
mod whose;

use std::sync::Arc;

use database::{Database, DatabaseUrl, Engine};
use tokio_util::sync::CancellationToken;

use self::random::Dice;
use super::{Answer, GenerateOptions, Generated, Generator, There, Wanted};
use crate::files::{Directives, Migration, Source};
use crate::placeholders::NoVariables;
use crate::run::Settings;

/// Where scratch databases of an engine can be made.
fn server(engine: Engine, folder: &std::path::Path) -> Database {
    let url = match engine {
        Engine::Postgres => std::env::var("DBM_TEST_POSTGRES_URL").expect("run scripts/test"),
        Engine::Mysql => std::env::var("DBM_TEST_MARIADB_URL").expect("run scripts/test"),
        _ => format!("sqlite://{}", folder.join("shop.db").display()),
    };
    Database::new(DatabaseUrl::parse(&url).unwrap()).unwrap()
}

fn source(text: &str) -> Source {
    Source { path: "random.sql".into(), text: text.to_owned() }
}

/// Migrations of these texts, one after the other.
fn there(texts: &[&str]) -> There {
    let migration = |(place, text): (usize, &&str)| Migration {
        number: place as u64 + 1,
        name: "random".to_owned(),
        directives: Directives::parse(text, "random.sql".as_ref()).unwrap(),
        source: source(text),
        rollback: None,
    };
    There::Migrations(texts.iter().enumerate().map(migration).collect(), Vec::new())
}

async fn generate(on: &Database, from: &[&str], to: &str) -> Result<Generated, String> {
    let options = GenerateOptions { data_loss: true, ..GenerateOptions::default() };
    generate_with(on, from, to, &options).await
}

async fn generate_with(
    on: &Database,
    from: &[&str],
    to: &str,
    options: &GenerateOptions,
) -> Result<Generated, String> {
    Box::pin(run(on, &there(from), to, options, CancellationToken::new())).await
}

async fn generate_between(
    on: &Database,
    from: &There,
    to: &str,
    cancel: CancellationToken,
) -> Result<Generated, String> {
    let options = GenerateOptions { data_loss: true, ..GenerateOptions::default() };
    Box::pin(run(on, from, to, &options, cancel)).await
}

async fn run(
    on: &Database,
    from: &There,
    to: &str,
    options: &GenerateOptions,
    cancel: CancellationToken,
) -> Result<Generated, String> {
    let wanted = Wanted::Models(vec![source(to)]);
    Box::pin(lead_to(on, from, &wanted, options, cancel)).await
}

async fn lead_to(
    on: &Database,
    from: &There,
    wanted: &Wanted,
    options: &GenerateOptions,
    cancel: CancellationToken,
) -> Result<Generated, String> {
    let settings = Settings::default();
    // Random schemas have nothing that is the same under another name.
    let ask = |_: &super::Unclear| Some(Answer::Dropped);
    let variables = Arc::new(NoVariables);
    let generator = Generator { on, settings: &settings, variables, ask: &ask, cancel };
    let generated = Box::pin(generator.generate(wanted, from, options)).await;
    generated.map_err(|error| error.to_string())
}

/// What is generated between two random schemas leads from one to the other and back.
async fn lead(engine: Engine, seeds: impl Iterator<Item = u64>) {
    let folder = tempfile::tempdir().unwrap();
    let on = server(engine, folder.path());
    // Another run's seeds, where somebody looks for more.
    let from: u64 = std::env::var("DBM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut wrong = Vec::new();
    for seed in seeds.map(|seed| seed + from) {
        let mut dice = Dice(seed);
        let (old, new) = (random::schema(engine, &mut dice), random::schema(engine, &mut dice));
        if let Err(what) = Box::pin(pair(&on, &old, &new)).await {
            wrong.push(format!("{engine}, seed {seed}: {what}\n-- there\n{old}\n-- wanted\n{new}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

async fn pair(on: &Database, old: &str, new: &str) -> Result<(), String> {
    let found = generate(on, &[old], new).await?;
    let ups: Vec<&str> = found.drafts.iter().map(|draft| draft.up.as_str()).collect();
    let downs: Vec<&str> = found.drafts.iter().rev().map(|draft| draft.down.as_str()).collect();
    let after = [&[old], ups.as_slice()].concat();
    let again = generate(on, &after, new).await?;
    if !again.drafts.is_empty() {
        return Err(format!("not all is written: {ups:#?}\n{:#?}", again.differences));
    }
    let back = generate(on, &[after, downs].concat(), old).await?;
    if back.drafts.is_empty() { Ok(()) } else { Err(format!("not taken back: {:#?}", back.differences)) }
}

#[tokio::test]
async fn between_random_schemas_of_sqlite() {
    Box::pin(lead(Engine::Sqlite, 0..25)).await;
}

#[tokio::test]
async fn between_random_schemas_of_postgres() {
    Box::pin(lead(Engine::Postgres, 0..6)).await;
}

#[tokio::test]
async fn between_random_schemas_of_mysql() {
    Box::pin(lead(Engine::Mysql, 0..6)).await;
}

#[tokio::test]
async fn what_is_renamed_is_not_made_anew() {
    let old = "CREATE TABLE item (id int PRIMARY KEY, title varchar(20));
        CREATE TABLE line (id int PRIMARY KEY, item int, CONSTRAINT k FOREIGN KEY (item) REFERENCES item (id));
        CREATE VIEW v AS SELECT title FROM item; CREATE VIEW w AS SELECT title FROM v;";
    let new = old.replace(" item (", " product (").replace("title varchar", "name varchar");
    let new = new.replace("title FROM item", "name AS title FROM product");
    let renames = ["item=product", "product.title=name"].map(|text| text.parse().unwrap()).to_vec();
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mysql] {
        let folder = tempfile::tempdir().unwrap();
        let on = server(engine, folder.path());
        let options =
            GenerateOptions { renames: renames.clone(), one_file: true, ..GenerateOptions::default() };
        let mut found = generate_with(&on, &[old], &new, &options).await.unwrap();
        assert!(found.losses.is_empty(), "{engine}: {:?}", found.losses);
        let draft = found.drafts.remove(0);
        assert!(draft.up.contains("RENAME"), "{engine}: {}", draft.up);
        assert!(
            !draft.up.contains("DROP TABLE") && !draft.up.contains("DROP COLUMN"),
            "{engine}: {}",
            draft.up
        );
        let again = generate(&on, &[old, &draft.up], &new).await.unwrap();
        assert!(again.drafts.is_empty(), "{engine}: {:#?}", again.differences);
        let back = generate(&on, &[old, &draft.up, &draft.down], old).await.unwrap();
        assert!(back.drafts.is_empty(), "{engine}: {:#?}", back.differences);
    }
}

#[tokio::test]
async fn the_counter_of_a_column_goes_along_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let old = "CREATE TABLE item (id serial PRIMARY KEY, n serial);";
    let new = "CREATE TABLE product (id serial PRIMARY KEY, m serial);";
    let renames = ["item=product", "product.n=m"].map(|text| text.parse().unwrap()).to_vec();
    let options = GenerateOptions { renames, one_file: true, ..GenerateOptions::default() };
    let found = generate_with(&on, &[old], new, &options).await.unwrap();
    let draft = &found.drafts[0];
    for text in [&draft.up, &draft.down] {
        assert!(!text.contains("CREATE SEQUENCE") && !text.contains("DROP SEQUENCE"), "{text}");
    }
    // One that has its own name from the start, and one that cannot keep its count.
    let new =
        "CREATE SEQUENCE s AS integer; CREATE TABLE item (id int PRIMARY KEY DEFAULT nextval('s'), n serial);
        ALTER SEQUENCE s OWNED BY item.id;";
    let found = generate(&on, &[old], new).await.unwrap();
    assert!(
        found.losses.is_empty() && found.drafts[0].up.contains("RENAME TO \"s\""),
        "{}",
        found.drafts[0].up
    );
    let new = "CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL);";
    let found = generate(&on, &[old], new).await.unwrap();
    assert_eq!(found.losses.len(), 2, "{:?}", found.losses);
    let identity = "CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);";
    let found = generate(&on, &[identity], "CREATE TABLE item (id int PRIMARY KEY);").await.unwrap();
    assert_eq!(found.losses, ["how far column id of table public.item has counted"]);
}

#[tokio::test]
async fn what_was_computed_stays_or_is_marked() {
    for (engine, virtual_too) in [(Engine::Postgres, false), (Engine::Mysql, true)] {
        let folder = tempfile::tempdir().unwrap();
        let on = server(engine, folder.path());
        let old = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED);";
        let found = generate(&on, &[old], "CREATE TABLE t (a int, b bigint DEFAULT 3);").await.unwrap();
        let up = &found.drafts[0].up;
        assert!(found.losses.is_empty() && !up.contains("DROP COLUMN"), "{engine}: {up}");
        if virtual_too {
            let old = old.replace("STORED", "VIRTUAL");
            let found = generate(&on, &[&old], "CREATE TABLE t (a int, b int);").await.unwrap();
            assert_eq!(found.losses.len(), 1, "{engine}: {}", found.drafts[0].up);
        }
    }
}

#[tokio::test]
async fn a_rebuilt_table_keeps_each_row_and_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Sqlite, folder.path());
    let up = async |old: &str, new: &str| generate(&on, &[old], new).await.unwrap();
    let plain = "CREATE TABLE t (a TEXT, rowid TEXT);";
    let found = up(plain, "CREATE TABLE t (a TEXT UNIQUE ON CONFLICT REPLACE, rowid TEXT);").await;
    let copy =
        "INSERT OR ABORT INTO \"t_dbm_new\" (_rowid_, \"a\", \"rowid\") SELECT _rowid_, \"a\", \"rowid\"";
    assert!(found.drafts[0].up.contains(copy), "{}", found.drafts[0].up);
    for new in [
        "CREATE TABLE t (a INTEGER PRIMARY KEY);",
        "CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (a));",
        "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID;",
    ] {
        let found = up("CREATE TABLE t (a INTEGER NOT NULL);", new).await;
        assert!(!found.drafts[0].up.contains("rowid"), "{}", found.drafts[0].up);
    }
    let found = up("CREATE TABLE t (a INT);", "CREATE TABLE t (b INT UNIQUE);").await;
    assert_eq!(found.losses, ["the rows of table t"]);
    let found = up("CREATE TABLE t (a INT, b INT);", "CREATE TABLE t (a INT, b INT AS (a) STORED);").await;
    assert_eq!(found.losses, ["column b of table t"]);
}

#[tokio::test]
async fn what_is_made_again_stays_whose_it_was() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let on = server(engine, std::path::Path::new(""));
        let name = format!("whose_{}", std::process::id());
        let mut server = on.session().await.unwrap();
        let (account, view) = match engine {
            Engine::Postgres => (
                format!("ROLE {name}"),
                format!("CREATE VIEW v AS SELECT a FROM t; ALTER VIEW v OWNER TO {name}"),
            ),
            _ => (
                format!("USER {name}@localhost"),
                format!("CREATE DEFINER={name}@localhost VIEW v AS SELECT a FROM t"),
            ),
        };
        for sql in [format!("CREATE {account}"), format!("CREATE DATABASE {name}")] {
            server.execute(&sql).await.unwrap();
        }
        let shop = Database::new(on.url().with_database(&name)).unwrap();
        let mut session = shop.session().await.unwrap();
        for sql in ["CREATE TABLE t (a int, b int)", &view, "CREATE VIEW w AS SELECT a FROM t"] {
            session.execute(sql).await.unwrap();
        }
        drop(session);
        let new = "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT b FROM t; CREATE VIEW w AS SELECT b FROM t;";
        let found = generate_between(&on, &There::Database(shop), new, CancellationToken::new()).await;
        for sql in [format!("DROP DATABASE {name}"), format!("DROP {account}")] {
            server.execute(&sql).await.unwrap();
        }
        let found = found.unwrap();
        let draft = &found.drafts[0];
        if engine == Engine::Postgres {
            let owner = format!("ALTER VIEW \"public\".\"v\" OWNER TO \"{name}\";");
            assert!(draft.up.contains(&owner) && draft.down.contains(&owner), "{draft:#?}");
            assert_eq!((draft.up.matches(" OWNER TO ").count(), found.losses.len()), (1, 0), "{draft:#?}");
        } else {
            assert_eq!(found.losses, [format!("that view v acts in the name of `{name}`@`localhost`")]);
        }
    }
}

#[tokio::test]
async fn a_column_that_is_computed_again_stays_whose_it_was() {
    let on = server(Engine::Postgres, std::path::Path::new(""));
    let name = format!("computed_{}", std::process::id());
    let mut server = on.session().await.unwrap();
    for sql in [format!("CREATE ROLE {name}"), format!("CREATE DATABASE {name}")] {
        server.execute(&sql).await.unwrap();
    }
    let shop = Database::new(on.url().with_database(&name)).unwrap();
    let mut session = shop.session().await.unwrap();
    let grant = format!("GRANT SELECT (b), UPDATE (a) ON t TO {name}");
    for sql in ["CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)", &grant] {
        session.execute(sql).await.unwrap();
    }
    drop(session);
    let new = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 2) STORED);";
    let found = generate_between(&on, &There::Database(shop), new, CancellationToken::new()).await;
    for sql in [format!("DROP DATABASE {name}"), format!("DROP ROLE {name}")] {
        server.execute(&sql).await.unwrap();
    }
    let draft = &found.unwrap().drafts[0];
    for text in [&draft.up, &draft.down] {
        let granted = text.find("GRANT SELECT (\"b\")");
        assert!(granted > text.find("ADD COLUMN \"b\"") && text.matches("GRANT").count() == 1, "{draft:#?}");
    }
}

#[tokio::test]
async fn a_stop_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Sqlite, folder.path());
    let stop = CancellationToken::new();
    stop.cancel();
    let found = generate_between(&on, &there(&[]), "CREATE TABLE t (a INT);", stop).await;
    assert_eq!(found.unwrap_err(), "stopped on request; nothing was written");
}

#[tokio::test]
async fn letters_that_have_no_place_are_marked() {
    let on = server(Engine::Mysql, std::path::Path::new(""));
    let text = |set: &str| {
        format!("CREATE TABLE t (a varchar(9) CHARACTER SET {set}, b int) DEFAULT CHARSET=utf8mb4;")
    };
    let narrower = generate(&on, &[&text("utf8mb4")], &text("latin1")).await.unwrap();
    assert_eq!(narrower.losses.len(), 1, "{}", narrower.drafts[0].up);
    let wider = generate(&on, &[&text("latin1")], &text("utf8mb4")).await.unwrap();
    assert!(wider.losses.is_empty(), "{}", wider.drafts[0].up);
}

#[tokio::test]
async fn words_that_the_server_chooses_are_no_difference() {
    let on = server(Engine::Postgres, std::path::Path::new(""));
    let model = "CREATE TABLE t (id int, a varchar(9) CHECK (a IN ('x', 'y')), n int);
        CREATE INDEX i ON t (id) WHERE a IN ('x', 'y'); CREATE VIEW v AS SELECT id FROM t WHERE a IN ('x', 'y');
        CREATE FUNCTION f() RETURNS TABLE (b int, c text) LANGUAGE sql BEGIN ATOMIC SELECT 1, 'x'; END;";
    let again = generate(&on, &[model], model).await.unwrap();
    assert!(again.drafts.is_empty(), "{:?}", again.differences);
    let name = format!("words_{}", std::process::id());
    let mut server = on.session().await.unwrap();
    server.execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let shop = Database::new(on.url().with_database(&name)).unwrap();
    let mut session = shop.session().await.unwrap();
    for statement in database::script::split(Engine::Postgres, model).unwrap() {
        session.execute(statement.text).await.unwrap();
    }
    drop(session);
    let shop = There::Database(shop);
    let same = generate_between(&on, &shop, model, CancellationToken::new()).await;
    let more = format!(
        "{} CREATE TABLE more (a varchar(3) CHECK (a IN ('p', 'q')));",
        model.replace("'y')), n", "'z')), n")
    );
    let changed = generate_between(&on, &shop, &more, CancellationToken::new()).await;
    server.execute(&format!("DROP DATABASE {name}")).await.unwrap();
    let same = same.unwrap();
    assert!(same.drafts.is_empty(), "{:?}", same.differences);
    let names: Vec<String> = changed.unwrap().differences.iter().map(|one| one.object.to_string()).collect();
    assert_eq!(names, ["table public.more", "table public.t"]);
}

#[tokio::test]
async fn a_partition_is_added_with_the_indexes_of_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let of = |year: u16, next: u16| {
        format!("CREATE TABLE p{year} PARTITION OF p FOR VALUES FROM ('{year}-01-01') TO ('{next}-01-01');\n")
    };
    let parent = "CREATE TABLE p (id int, at date, a text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE INDEX p_id ON p (id); CREATE UNIQUE INDEX p_a ON p (a, at);\n";
    let one = parent.to_owned() + &of(2024, 2025);
    let two = one.clone() + &of(2025, 2026);
    let table = "CREATE TABLE other (id int);\n";
    for (from, to) in [(&one, &two), (&two, &one), (&table.to_owned(), &(table.to_owned() + &two))] {
        let done = generate(&on, &[from], to).await.unwrap();
        assert!(!done.drafts.is_empty());
        let up: Vec<&str> = done.drafts.iter().map(|draft| draft.up.as_str()).collect();
        let again = generate(&on, &[&[from.as_str()], &up[..]].concat(), to).await.unwrap();
        assert!(again.drafts.is_empty(), "{:?}", again.differences);
    }
}

#[tokio::test]
async fn an_index_goes_with_nobody_waiting_for_it() {
    let on = server(Engine::Postgres, std::path::Path::new(""));
    let table = "CREATE TABLE t (id int PRIMARY KEY, a text, b int);\n";
    let old = table.to_owned() + "CREATE INDEX i ON t (a); CREATE UNIQUE INDEX u ON t (b) WHERE b > 0;";
    // What is written is tried out, up and down.
    let files = async |old: &str, new: &str, one_file: bool| {
        let options = GenerateOptions { data_loss: true, one_file, ..GenerateOptions::default() };
        generate_with(&on, &[old], new, &options).await.unwrap().drafts
    };
    let gone = files(&old, table, false).await;
    assert!(gone.len() == 1 && gone[0].apart, "{gone:#?}");
    assert_eq!(gone[0].up.matches("DROP INDEX CONCURRENTLY ").count(), 2, "{gone:#?}");
    assert!(
        gone[0].down.contains("CREATE INDEX") && gone[0].down.contains("CREATE UNIQUE INDEX"),
        "{gone:#?}"
    );
    // What takes its place comes after it.
    let changed = files(&old, &old.replace("ON t (a)", "ON t (a DESC)"), false).await;
    assert!(
        changed[0].up.contains("DROP INDEX CONCURRENTLY \"public\".\"i\";\nCREATE INDEX CONCURRENTLY"),
        "{changed:#?}"
    );
    // Where its table changes too, it may be in the way of that; and a key of its name waits for its end.
    let wider = table.replace("a text", "a varchar(9)");
    let key = table.to_owned() + "CREATE INDEX i ON t (a); ALTER TABLE t ADD CONSTRAINT u UNIQUE (b);";
    for (new, one_file) in [(table, true), (&wider, false), (&key, false), ("SELECT 1;", false)] {
        let plain = files(&old, new, one_file).await;
        assert!(!plain.iter().any(|draft| draft.up.contains("DROP INDEX CONCURRENTLY")), "{plain:#?}");
    }
    // What is made with a table of its own needs the name at once, and what refers to a key would bind to the old one.
    let moved = table.to_owned() + "CREATE TABLE v (a int); CREATE INDEX i ON v (a);";
    let parted = table.to_owned() + "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE INDEX i ON p (a);";
    for new in [&moved, &parted] {
        let plain = files(&(table.to_owned() + "CREATE INDEX i ON t (a);"), new, false).await;
        assert!(!plain.iter().any(|draft| draft.up.contains("DROP INDEX CONCURRENTLY")), "{plain:#?}");
    }
    let key = table.to_owned()
        + "ALTER TABLE t ADD CONSTRAINT kc UNIQUE (b); CREATE TABLE c (b int REFERENCES t (b));";
    let plain = files(&(table.to_owned() + "CREATE UNIQUE INDEX k ON t (b);"), &key, false).await;
    assert!(!plain.iter().any(|draft| draft.up.contains("DROP INDEX CONCURRENTLY")), "{plain:#?}");
    // What refers to it goes before.
    let referred = old.clone() + "CREATE UNIQUE INDEX k ON t (a); CREATE TABLE c (a text REFERENCES t (a));";
    let both = files(&referred, &(old.clone() + "CREATE TABLE c (a text);"), false).await;
    assert!(both.len() == 2 && both[1].up.contains("DROP INDEX CONCURRENTLY"), "{both:#?}");
}
