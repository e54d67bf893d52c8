//! Diesel and Atlas on each engine: their tables as they make them there, and bodies with semicolons as each takes them.

use super::*;

/// What makes something with a body that has semicolons in it, on the table `two`, and what has to be dropped with it.
fn with_body(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Mysql => (
            "CREATE TRIGGER t BEFORE INSERT ON two FOR EACH ROW BEGIN\n  SET NEW.id = 1;\n  SET NEW.id = 2;\nEND",
            "",
        ),
        Engine::Sqlite => (
            "CREATE TRIGGER t AFTER INSERT ON two BEGIN\n  UPDATE two SET id = 1;\n  UPDATE two SET id = 2;\nEND",
            "",
        ),
        _ => (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  PERFORM 1;\n  RETURN 2;\nEND $$",
            "DROP FUNCTION f();\n",
        ),
    }
}

/// One table definition for all engines:
/// <https://github.com/diesel-rs/diesel/blob/master/diesel/src/migration/setup_migration_table.sql>.
#[tokio::test]
async fn diesel_has_folders() {
    for engine in engines() {
        let (body, drop) = with_body(engine);
        let up = format!(
            "-- Your SQL goes here\nCREATE TABLE two (id int);\n{body};\nCREATE INDEX two_id ON two (id);\n"
        );
        let down = format!("-- This file should undo anything in `up.sql`\n{drop}DROP TABLE two;\n");
        let files = [
            ("2024-01-01-000000_one/up.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
            ("2024-01-01-000000_one/down.sql", "DROP TABLE one;"),
            ("2024-01-02-000000_two/up.sql", up.as_str()),
            ("2024-01-02-000000_two/down.sql", down.as_str()),
            ("2024-01-02-000000_two/metadata.toml", "run_in_transaction = false # for the index\n"),
            (".keep", ""),
        ];
        let history = [
            "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000')",
        ];
        let planned = adopts(Tool::Diesel, engine, &files, &history).await;
        assert!(planned.files[2].text.contains("-- dbm: no-transaction\n"), "{engine}");
    }
}

/// Where the URL names a database, the table is in it; on PostgreSQL without a schema in the URL, in one of its own:
/// <https://atlasgo.io/versioned/apply>.
#[tokio::test]
async fn atlas_keeps_revisions() {
    for engine in engines() {
        let (body, _) = with_body(engine);
        let (table, kinds) = match engine {
            Engine::Postgres => (
                "atlas_schema_revisions.atlas_schema_revisions",
                ["character varying", "jsonb", "timestamptz"],
            ),
            Engine::Mysql => ("atlas_schema_revisions", ["varchar(255)", "json", "timestamp"]),
            _ => ("atlas_schema_revisions", ["text", "json", "datetime"]),
        };
        let [text, json, time] = kinds;
        let make = format!(
            "CREATE TABLE {table} (version {text} NOT NULL, description {text} NOT NULL, type bigint NOT NULL DEFAULT 2, \
             applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, executed_at {time} NOT NULL, \
             execution_time bigint NOT NULL, error {text} NULL, hash {text} NOT NULL, partial_hashes {json} NULL, \
             operator_version {text} NOT NULL, PRIMARY KEY (version))"
        );
        let row = |version: &str, kind: u8| {
            format!(
                "INSERT INTO {table} VALUES ('{version}', 'one', {kind}, 1, 1, CURRENT_TIMESTAMP, 5, NULL, 'h', NULL, 'Atlas CLI v1')"
            )
        };
        let (one, own) = (row("20240101000000", 2), row(".atlas_cloud_identifier", 2));
        let schema = (engine == Engine::Postgres).then_some("CREATE SCHEMA atlas_schema_revisions");
        let history: Vec<&str> = schema.into_iter().chain([make.as_str(), &one, &own]).collect();
        // The delimiter as its documentation has it, and one that the client knows too.
        for (delimiter, end) in [("\\n\\n\\n", "\n\n\n"), ("//", "//\n")] {
            let two = format!(
                "-- atlas:txmode none\n-- atlas:delimiter {delimiter}\n\nCREATE TABLE two (id int){end}{body}{end}CREATE INDEX two_id ON two (id){end}"
            );
            let files = [
                ("atlas.sum", "h1:x\n"),
                ("20240101000000_one.sql", "CREATE TABLE one (id int PRIMARY KEY);"),
                ("20240102000000_two.sql", two.as_str()),
            ];
            let planned = adopts(Tool::Atlas, engine, &files, &history).await;
            assert!(planned.files[1].text.contains("-- dbm: no-transaction\n"), "{engine}: {planned:?}");
        }
    }
}
