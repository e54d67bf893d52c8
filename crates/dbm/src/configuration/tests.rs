use super::*;

fn read(folder: &Path, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Configuration {
    let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Configuration::read(flags, None, Environment::of(variables), folder).unwrap()
}

#[test]
fn flags_then_environment_then_dotenv_then_file_then_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let jobs = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
        read(path, flags, variables).number("jobs").unwrap()
    };
    assert_eq!(jobs(&[], &[]), 2);
    std::fs::write(path.join("dbm.toml"), "jobs = 3").unwrap();
    assert_eq!(jobs(&[], &[]), 3);
    std::fs::write(path.join(".env"), "DBM_JOBS=4").unwrap();
    assert_eq!(jobs(&[], &[]), 4);
    assert_eq!(jobs(&[], &[("DBM_JOBS", "5")]), 5);
    assert_eq!(jobs(&[("jobs", "6")], &[("DBM_JOBS", "5")]), 6);
    assert_eq!(jobs(&[], &[("DBM_JOBS", "")]), 4, "an empty variable is none");
}

#[test]
fn the_url_has_two_variables() {
    let folder = tempfile::tempdir().unwrap();
    let url = |variables: &[(&str, &str)]| {
        read(folder.path(), &[], variables).given("url").map(|given| given.value.clone())
    };
    assert_eq!(url(&[("DBM_URL", "sqlite:a.db")]).as_deref(), Some("sqlite:a.db"));
    assert_eq!(
        url(&[("DBM_URL", "sqlite:a.db"), ("DATABASE_URL", "sqlite:a.db")]).as_deref(),
        Some("sqlite:a.db")
    );
    std::fs::write(folder.path().join(".env"), "DATABASE_URL=sqlite:b.db").unwrap();
    assert_eq!(url(&[("DBM_URL", "sqlite:a.db")]).as_deref(), Some("sqlite:a.db"));
    assert_eq!(url(&[]).as_deref(), Some("sqlite:b.db"));
    let two = Environment::of(&[("DBM_URL", "sqlite:a.db"), ("DATABASE_URL", "sqlite:c.db")]);
    let refused = Configuration::read(Flags::new(), None, two, folder.path());
    let refused = format!("{:?}", refused.err().unwrap());
    assert!(refused.starts_with("error: DATABASE_URL and DBM_URL name two databases"), "{refused}");
}

#[test]
fn paths_are_relative_to_where_they_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(folder.path().join("dbm.toml"), "store = 'kept'").unwrap();
    let found = read(&below, &[("log_dir", "here")], &[]);
    assert_eq!(found.file, Some(folder.path().join("dbm.toml")));
    assert_eq!(found.store_names(), [folder.path().join("kept").to_str().unwrap()]);
    assert_eq!(found.path("migrations"), folder.path().join("migrations"));
    assert_eq!(found.path("log_dir"), below.join("here"));
    assert_eq!(read(&below, &[("store", "s3://bucket/x")], &[]).store_names(), ["s3://bucket/x"]);
}

#[test]
fn several_stores_are_a_list() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dbm.toml"), "store = ['kept', 's3://bucket/a,b']").unwrap();
    let kept = folder.path().join("kept").to_str().unwrap().to_owned();
    assert_eq!(read(folder.path(), &[], &[]).store_names(), [kept, "s3://bucket/a,b".to_owned()]);
    let given = read(folder.path(), &[], &[("DBM_STORE", "s3://one\ns3://two\n")]);
    assert_eq!(given.store_names(), ["s3://one", "s3://two"]);
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |variables: &[(&str, &str)]| {
        let read = Configuration::read(Flags::new(), None, Environment::of(variables), folder.path());
        format!("{:?}", read.err().unwrap())
    };
    assert_eq!(
        refusal(&[("DBM_JOBS", "many")]),
        "error: DBM_JOBS is `many`, not a whole number\nhint: write DBM_JOBS=2, for example"
    );
    assert_eq!(
        refusal(&[("DBM_JOBS", "0")]),
        "error: DBM_JOBS is `0`, not a number from 1 to 64\nhint: write DBM_JOBS=2, for example"
    );
    assert_eq!(
        refusal(&[("DBM_LEVEL", "99")]),
        "error: DBM_LEVEL is `99`, not a number from 1 to 19\nhint: write DBM_LEVEL=1, for example"
    );
    assert_eq!(
        refusal(&[("DBM_LOCK_TIMEOUT", "soon")]),
        "error: DBM_LOCK_TIMEOUT is `soon`, not a duration such as 500ms, 5s or 2min\nhint: write DBM_LOCK_TIMEOUT=5s, for example"
    );
    assert!(refusal(&[("DBM_CONFIG", "gone.toml")]).starts_with("error: cannot read the configuration `"));
}

#[test]
fn a_fence_and_accepted_losses_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dbm.toml"), "accept_lost_writes = true").unwrap();
    assert_eq!(read(folder.path(), &[], &[]).writers().unwrap(), Writers::AcceptLost);
    assert_eq!(read(folder.path(), &[("fence", "true")], &[]).writers().unwrap(), Writers::Fence);
    std::fs::write(folder.path().join("dbm.toml"), "accept_lost_writes = true\nfence = true").unwrap();
    assert!(read(folder.path(), &[], &[]).writers().is_err());
}

#[test]
fn a_misspelt_variable_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let found = read(folder.path(), &[], &[("DBM_STORES", "x"), ("DBM_TEST_STOP_AT", "x"), ("DBM_X", "y")]);
    assert_eq!(found.warnings, ["the environment variable DBM_STORES is not read; did you mean DBM_STORE?"]);
}

#[test]
fn durations() {
    let milliseconds = |text| duration(text).map(|time| time.as_millis());
    assert_eq!(milliseconds("500ms"), Some(500));
    assert_eq!(milliseconds("5s"), Some(5000));
    assert_eq!(milliseconds("5"), Some(5000));
    assert_eq!(milliseconds("2min"), Some(120_000));
    assert_eq!([milliseconds("s"), milliseconds("5 parsecs"), milliseconds("-1s")], [None; 3]);
}
