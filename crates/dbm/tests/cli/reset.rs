//! A development database made anew, and whose word makes it one.

use crate::harness::{Place, says};

fn grown() -> Place {
    let place = Place::with_database();
    place.file("migrations/seeds/items.sql", "INSERT INTO item VALUES (1, 'one');\n");
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    place.by_hand("INSERT INTO item VALUES (7, 'by hand')");
    place
}

const DEVELOPMENT: &str = "url = \"sqlite:shop.db\"\ndevelopment = true\n";

#[test]
fn a_database_is_made_anew_where_it_is_one_to_develop_with() {
    let place = grown();
    says!(place, ["reset", "--yes"]);
    place.file("dbm.toml", DEVELOPMENT);
    says!(place, ["reset"]);
    says!(place, ["reset", "--yes"]);
    place.file("migrations/seeds/items.sql", "INSERT INTO nowhere VALUES (1);\n");
    let failed = place.run(&["reset", "--yes", "--json"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stdout.contains("\"outcome\": \"nothing-changed\""), "{}", failed.stdout);
}

#[test]
fn what_a_checkout_says_of_its_database_it_says_of_no_other() {
    let place = grown();
    place.file("dbm.toml", DEVELOPMENT);
    let refused = |place: &Place, more: &[&str], word: &str| {
        let done = place.run(&[&["reset", "--yes"], more].concat());
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stderr.contains(word), "{}", done.stderr);
    };
    refused(
        &place,
        &["--url", "sqlite:shop.db"],
        "dbm.toml says that its database is for development, and says nothing of",
    );
    place.file("url", "sqlite:shop.db\n");
    refused(&place, &["--url-file", "url"], "says nothing of");
    place.file(".env", "DATABASE_URL=sqlite:shop.db\n");
    refused(&place, &[], "says nothing of");
    place.file(".env", "DATABASE_URL=sqlite:shop.db\nDBM_DEVELOPMENT=true\n");
    assert_eq!(place.run(&["reset", "--yes"]).code, Some(0));

    let place = place.variable("DATABASE_URL", "sqlite:shop.db");
    refused(&place, &[], "says nothing of");
    let place = place.variable("DBM_DEVELOPMENT", "true");
    assert_eq!(place.run(&["reset", "--yes"]).code, Some(0));

    let place = Place::new().variable("PGHOST", "127.0.0.1");
    place.file("dbm.toml", "url = \"postgres:///shop\"\ndevelopment = true\n");
    refused(&place, &[], "comes from elsewhere");
}
