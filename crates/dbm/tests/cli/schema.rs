//! The schema as a file that a build keeps current.

use crate::harness::{Place, says};

#[test]
fn a_page_is_current_or_is_not() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["schema", "dump"]);
    says!(place, ["schema", "docs", "--title", "Shop"]);
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md"]);
    says!(place, ["schema", "docs", "--output", "STRUCTURE.md"]);
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md", "--json"]);
    place.file("migrations/002_price.sql", "ALTER TABLE item ADD COLUMN price REAL;\n");
    place.file("rollback/002_rollback.sql", "ALTER TABLE item DROP COLUMN price;\n");
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md"]);
}

#[test]
fn a_page_goes_where_it_is_wanted_and_nowhere_else() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    let written = place.run(&["schema", "dump"]).stdout;
    let dump = |file: &str| {
        let ended = place.run(&["schema", "dump", "--output", file]);
        assert_eq!(ended.code, Some(0), "{file}: {}", ended.stderr);
        ended
    };
    let read = |file: &str| std::fs::read_to_string(place.path().join(file)).unwrap();

    dump("/dev/null");
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    assert!(dump("/dev/stdout").stdout.starts_with(&written));

    place.file("docs/schema.sql", "old");
    place.file("schema.sql.new", "mine");
    for (link, target) in [("schema.sql", "docs/schema.sql"), ("first.sql", "docs/first.sql")] {
        std::os::unix::fs::symlink(target, place.path().join(link)).unwrap();
        dump(link);
        assert!(place.path().join(link).is_symlink());
        assert_eq!(read(target), written);
    }
    assert_eq!(read("schema.sql.new"), "mine");
    let rights = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    place.file("closed.sql", "old");
    std::fs::set_permissions(place.path().join("closed.sql"), rights(0o600)).unwrap();
    dump("closed.sql");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.path().join("closed.sql")).unwrap().permissions(),
    );
    assert_eq!((read("closed.sql"), mode & 0o777), (written, 0o600));
}
