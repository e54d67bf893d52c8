//! What cargo takes for a reason to build an application again: of a tiny one, beside a stand-in for the library.

use std::fs;
use std::path::Path;
use std::process::Command;

const MAIN: &str = r#"
fn main() {
    let embedded = migrate_macros::embed_migrations!();
    for (name, text) in embedded.files {
        println!("{name}: {text}");
    }
    for (place, _) in embedded.folders {
        println!("{place}");
    }
}
"#;

const LIBRARY: &str = r#"
pub struct Embedded {
    pub files: &'static [(&'static str, &'static str)],
    pub folders: &'static [(&'static str, &'static str)],
}
"#;

const PACKAGE: &str = "version = \"0.1.0\"\nedition = \"2024\"\n";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// An application with one migration.
fn application() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let macros = env!("CARGO_MANIFEST_DIR");
    write(folder.path(), "library/Cargo.toml", &format!("[package]\nname = \"migrate\"\n{PACKAGE}"));
    write(folder.path(), "library/src/lib.rs", LIBRARY);
    let manifest = format!(
        "[package]\nname = \"application\"\n{PACKAGE}\n[dependencies]\nmigrate = {{ path = \"library\" }}\n\
         migrate_macros = {{ path = {macros:?} }}\n\n[workspace]\n"
    );
    write(folder.path(), "Cargo.toml", &manifest);
    write(folder.path(), "src/main.rs", MAIN);
    write(folder.path(), "migrations/001_item.sql", "one");
    write(folder.path(), "rollback/001_rollback.sql", "back");
    folder
}

/// What it says after a build, as far as cargo makes one.
fn run(folder: &Path, options: &[&str]) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]).args(options).current_dir(folder);
    cargo.env("CARGO_TARGET_DIR", folder.join("target"));
    let output = cargo.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn a_file_that_is_changed_or_new_is_a_reason() {
    let folder = application();
    let folder = folder.path();
    write(folder, "build.rs", "fn main() {\n    println!(\"cargo:rerun-if-changed=migrations\");\n}\n");
    let places = ["migrations", "migrations/repeatable", "rollback"];
    let all = |files: &[&str]| files.iter().chain(&places).map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let back = "rollback/001_rollback.sql: back";
    assert_eq!(run(folder, &[]), all(&["migrations/001_item.sql: one", back]));
    write(folder, "migrations/001_item.sql", "two");
    assert_eq!(run(folder, &[]), all(&["migrations/001_item.sql: two", back]));
    write(folder, "migrations/002_more.sql", "more");
    let both = ["migrations/001_item.sql: two", "migrations/002_more.sql: more"];
    assert_eq!(run(folder, &[]), all(&[both[0], both[1], back]));
    write(folder, "migrations/repeatable/view.sql", "view");
    assert_eq!(run(folder, &[]), all(&[both[0], both[1], "migrations/repeatable/view.sql: view", back]));
    fs::remove_file(folder.join("migrations/002_more.sql")).expect("removed");
    assert_eq!(run(folder, &[]), all(&[both[0], "migrations/repeatable/view.sql: view", back]));
    // A release knows nothing of where its sources lay.
    let release = run(folder, &["--release"]);
    assert_eq!(release, [both[0], "migrations/repeatable/view.sql: view", back]);
}

/// Without a `build.rs` that says so, a new file is no reason, and the application has to find it itself.
#[test]
fn without_a_script_a_changed_file_is_a_reason_and_a_new_one_is_not() {
    let folder = application();
    let folder = folder.path();
    assert_eq!(run(folder, &[])[0], "migrations/001_item.sql: one");
    write(folder, "migrations/002_more.sql", "more");
    assert!(run(folder, &[]).iter().all(|line| !line.contains("002_more")));
    write(folder, "migrations/001_item.sql", "two");
    let built = run(folder, &[]);
    assert_eq!(built[..2], ["migrations/001_item.sql: two", "migrations/002_more.sql: more"]);
}
