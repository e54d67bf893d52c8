//! Projects that the tools themselves have made: their own files, and their own tables when the first of two migrations was
//! applied. [`README.md`](projects/README.md) says by which version of each.

use super::*;

/// Of every tool whose project was made for this engine.
async fn all(engine: Engine) {
    let tools = [Tool::Alembic, Tool::Dbmate, Tool::Prisma, Tool::Refinery, Tool::Sqlx, Tool::Yoyo];
    for tool in tools {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(
            "src/adopt/tests/projects/{}/{}",
            tool.word(),
            engine.word()
        ));
        if matches!(tool, Tool::Prisma | Tool::Refinery) && engine == Engine::Mysql {
            assert!(!project.exists(), "the projects' README says why there is none");
            continue;
        }
        let files = files_below(&project.join("files"), "");
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let history = fs::read_to_string(project.join("history.sql")).unwrap();
        let history = database::script::split(engine, &history).unwrap();
        let history: Vec<_> = history.iter().map(|statement| statement.text).collect();
        let planned = Box::pin(adopts(tool, engine, &files, &history)).await;
        Box::pin(from_nothing(&planned, engine)).await;
    }
}

fn files_below(folder: &Path, before: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for path in reading::entries(folder).unwrap() {
        let name = format!("{before}{}", reading::name(&path));
        if path.is_dir() {
            files.extend(files_below(&path, &format!("{name}/")));
        } else {
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// In a new database all of the files run, and back.
async fn from_nothing(planned: &Adoption, engine: Engine) {
    let mut sandbox = Sandbox::new(engine).await;
    sandbox.settings.allowed.accept_lost_writes = true;
    for file in &planned.files {
        let folder = file.path.parent().and_then(Path::file_name).unwrap();
        fs::write(sandbox.path().join(folder).join(file.path.file_name().unwrap()), &file.text).unwrap();
    }
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}, {engine}: {:?}", planned.tool, report.failure);
    assert_eq!(report.migrations.len(), 2, "{:?}, {engine}", planned.tool);
    assert_eq!(sandbox.ask("SELECT count(*) FROM two").await, "0", "{:?}, {engine}", planned.tool);
    let migrations = sandbox.migrations();
    if migrations.iter().all(|migration| migration.directives.irreversible.is_none()) {
        let back = RollbackOptions { until: Until::All, module: None };
        let report = sandbox.runner().rollback(&migrations, &back).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{:?}, {engine}: {:?}", planned.tool, report.failure);
    }
}

#[tokio::test]
async fn of_postgres_are_taken_over() {
    all(Engine::Postgres).await;
}

#[tokio::test]
async fn of_mysql_are_taken_over() {
    all(Engine::Mysql).await;
}

#[tokio::test]
async fn of_sqlite_are_taken_over() {
    all(Engine::Sqlite).await;
}
