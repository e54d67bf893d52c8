//! What `unless` names is found where it is, and only there.

use database::Engine;

use super::{Sandbox, engines};
use crate::{Became, Outcome};

#[tokio::test]
async fn every_kind_of_guard_finds_what_is_there() {
    for engine in engines() {
        let mut sandbox = Sandbox::new(engine).await;
        // Where the backup is the way back, somebody has to say so.
        sandbox.settings.allowed.accept_lost_writes = true;
        for sql in [
            "CREATE TABLE parent (id int NOT NULL, CONSTRAINT parent_key PRIMARY KEY (id))",
            "CREATE TABLE child (id int, of_parent int, CONSTRAINT child_above CHECK (id > 0),
               CONSTRAINT child_of FOREIGN KEY (of_parent) REFERENCES parent (id), CONSTRAINT child_once UNIQUE (id, of_parent))",
            "CREATE INDEX child_by ON child (id)",
            "CREATE TABLE bare (id int)",
            "CREATE VIEW seen AS SELECT id FROM bare",
        ] {
            sandbox.execute(sql).await;
        }
        // MySQL gives every primary key the same name.
        let key = if engine == Engine::Mysql { "PRIMARY" } else { "parent_key" };
        let key = format!("constraint parent.{key}");
        let there = [
            "table child",
            "column child.of_parent",
            "index child.child_by",
            "index child_by",
            "constraint child.child_above",
            "constraint child.child_of",
            "constraint child.child_once",
            key.as_str(),
        ];
        let not_there = [
            "table nowhere",
            "table seen",
            "column child.nothing",
            "column nowhere.id",
            "index child.child_no",
            "index bare.child_by",
            "constraint child.child_no",
            "constraint bare.child_above",
            "constraint bare.child_of",
            "constraint bare.child_once",
            "constraint bare.parent_key",
            "constraint child.child_by",
        ];
        for (place, guard) in there.iter().chain(&not_there).enumerate() {
            let number = place + 1;
            let body = match there.contains(guard) {
                true => "SELECT nothing FROM nowhere;".to_owned(),
                false => format!("CREATE TABLE made_{number} (id int);"),
            };
            let file = format!("-- dbm: unless {guard}\n{body}");
            sandbox.file(&format!("{number:03}_guard"), &file, "SELECT 1;");
        }
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        for (ran, guard) in report.migrations.iter().zip(there.iter().chain(&not_there)) {
            let wanted = if there.contains(guard) { Became::Satisfied } else { Became::Applied };
            assert_eq!(ran.became, wanted, "{engine}: unless {guard}");
        }
        assert_eq!(report.migrations.len(), there.len() + not_there.len(), "{engine}");
    }
}
