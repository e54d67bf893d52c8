use super::*;

#[test]
fn what_the_lines_say() {
    let grants = Grants::of(
        Rule::Longest,
        [
            "GRANT PROCESS, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A'",
            "GRANT ALL PRIVILEGES ON `shop\\_%`.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT SELECT, INSERT ON `a``b`.* TO `u`@`%`",
            "GRANT DELETE ON `shop`.`one` TO `u`@`%`",
            "GRANT `role` TO `u`@`%`",
        ]
        .into_iter(),
    );
    assert!(grants.everywhere("PROCESS") && grants.everywhere("BINLOG MONITOR"));
    assert!(!grants.everywhere("SELECT") && !grants.everywhere("ALL PRIVILEGES"));
    assert!(grants.on("shop_eu", "CREATE") && !grants.on("shopXeu", "CREATE"));
    assert!(grants.on("a`b", "INSERT") && !grants.on("a`b", "DELETE"));
    assert!(!grants.on("shop", "DELETE"));
    assert_eq!((grants.spelled("a`b"), grants.spelled("shop_eu")), (Some("a`b"), None));
    assert_eq!(grants.given_on("shop_eu").collect::<Vec<_>>(), ["ALL PRIVILEGES"]);
    let lines = ["GRANT SELECT ON `my_shop`.* TO `u`@`%`", "GRANT DROP ON `my\\_shop\\_re%`.* TO `u`@`%`"];
    let own = Grants::of(Rule::Fewest, lines.into_iter());
    assert_eq!((own.spelled("my_shop"), own.spelled("my_shop_restoring_")), (Some("my_shop"), None));
    assert_eq!(own.given_on("my_shop_restoring_").collect::<Vec<_>>(), ["DROP"]);
    let parted = Grants::of(
        Rule::Longest,
        [
            "GRANT SELECT, TRIGGER ON *.* TO `u`@`%`",
            "GRANT BACKUP_ADMIN,SET_ANY_DEFINER,SHOW_ROUTINE ON *.* TO `u`@`%`",
            "REVOKE TRIGGER ON `shop`.* FROM `u`@`%`",
        ]
        .into_iter(),
    );
    assert!(parted.everywhere("SHOW_ROUTINE") && parted.everywhere("SET_ANY_DEFINER"));
    assert!(parted.on("shop", "SELECT") && parted.on("other", "TRIGGER") && !parted.on("shop", "TRIGGER"));
    let all = Grants::of(Rule::Fewest, ["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"].into_iter());
    assert!(all.everywhere("CREATE") && all.on("x", "DROP"));
}

#[test]
fn one_pattern_decides_for_each_to_whom_it_is_given() {
    let lines = [
        "GRANT `r` TO `u`@`%`",
        "GRANT INSERT ON `sh%`.* TO `u`@`%`",
        "GRANT SELECT, DELETE ON `s%`.* TO `u`@`%` WITH GRANT OPTION",
        "GRANT DELETE ON `%`.* TO `r`",
        "GRANT DROP ON `shop`.* TO `of``r`",
        "GRANT UPDATE ON `%`.* TO PUBLIC",
        "GRANT ALTER ON *.* TO `r`",
    ];
    let rights = ["SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER"];
    let held = |rule, database: &str| -> Vec<&str> {
        let grants = Grants::of(rule, lines.into_iter());
        rights.into_iter().filter(|right| grants.on(database, right)).collect()
    };
    assert_eq!(held(Rule::Fewest, "shop"), ["INSERT", "UPDATE", "DROP", "ALTER"]);
    assert_eq!(held(Rule::Fewest, "stock"), ["SELECT", "UPDATE", "DELETE", "ALTER"]);
    let ours =
        |rule, database: &str, right| Grants::of(rule, lines[1..3].iter().copied()).on(database, right);
    assert!(ours(Rule::Longest, "shop", "INSERT") && !ours(Rule::Longest, "shop", "SELECT"));
    assert!(ours(Rule::FirstByName, "shop", "SELECT") && !ours(Rule::FirstByName, "shop", "INSERT"));
    assert!(!ours(Rule::Literal, "shop", "SELECT") && ours(Rule::Literal, "s%", "SELECT"));
    // Of equals nobody knows which one it is.
    let equal = ["GRANT SELECT, DROP ON `s%`.* TO `u`@`%`", "GRANT INSERT, DROP ON `s_op`.* TO `u`@`%`"];
    let equal = Grants::of(Rule::Longest, equal.into_iter());
    assert_eq!(rights.into_iter().filter(|right| equal.on("shop", right)).collect::<Vec<_>>(), ["DROP"]);
}

#[test]
fn what_is_taken_out_is_not_had() {
    let lines = [
        "GRANT SELECT, INSERT ON *.* TO `u`@`%`",
        "REVOKE INSERT ON `shop`.* FROM `u`@`%`",
        "GRANT DELETE ON `shop\\_re%`.* TO `u`@`%`",
        "GRANT DROP ON `my_shop`.* TO `u`@`%`",
    ];
    let grants = Grants::of(Rule::Literal, lines.into_iter());
    assert!(grants.on("shop", "SELECT") && !grants.on("shop", "INSERT") && grants.on("other", "INSERT"));
    assert!(!grants.on("shop_restoring_", "DELETE"));
    assert!(!grants.on("myXshop", "DROP") && grants.on("my_shop", "DROP"));
    assert_eq!((grants.spelled("my_shop"), grants.spelled("shop_re%")), (Some("my_shop"), None));
}

/// Judged by the server itself.
#[tokio::test]
async fn what_an_account_may_do_is_what_the_server_lets_it_do() {
    use crate::mysql::testing::{administer, fresh_for_tools, name};
    use crate::mysql::{SCRATCH_ACCOUNTS, Server, Settings};
    let server = fresh_for_tools().await;
    let (user, role, database) =
        (name(&format!("{SCRATCH_ACCOUNTS}u")), name("r"), server.database().to_owned());
    administer(&format!("CREATE TABLE {database}.t (a int); CREATE USER {user}; CREATE ROLE {role}")).await;
    let settings = Settings { user: Some(user.clone()), password: None, ..server.settings().clone() };
    let seen = Server::new(Settings { database: "information_schema".to_owned(), ..settings });
    // `dbm_test_…`, of which one character or all but some are left open.
    let escaped = database.replace('_', "\\_");
    let one = |at: usize| format!("{}_{}", &database[..at], &database[at + 1..]);
    let patterns = [
        "%".to_owned(),
        "_%".to_owned(),
        "d%".to_owned(),
        "dbm\\_%".to_owned(),
        "dbm%".to_owned(),
        "dbm_%".to_owned(),
        format!("%{}", &database[5..]),
        format!("_{}", &database[1..]),
        format!("d%m{}", &database[3..]),
        one(6),
        database.clone(),
        escaped,
    ];
    let mariadb = server.connect(None).await.unwrap().flavour() == Flavour::MariaDb;
    for (to, default) in [(&user, false), (&role, true)] {
        if default {
            let active = if mariadb { format!("{role} FOR {user}") } else { format!("{role} TO {user}") };
            administer(&format!("GRANT {role} TO {user}; SET DEFAULT ROLE {active}")).await;
        }
        for (at, first) in patterns.iter().enumerate() {
            let second = &patterns[(at * 5 + 7) % patterns.len()];
            if first == second {
                continue;
            }
            let on = |right: &str, pattern: &str| format!("{right} ON `{pattern}`.*");
            let given = [on("SELECT", first), on("INSERT", second)];
            for given in &given {
                administer(&format!("GRANT {given} TO {to}")).await;
            }
            let mut connection = seen.connect_nowhere().await.unwrap();
            let grants = Grants::read(&mut connection).await.unwrap();
            let equal = grants.rule.rank(first, &database) == grants.rule.rank(second, &database);
            for (right, sql) in [
                ("SELECT", format!("DO (SELECT COUNT(*) FROM {database}.t)")),
                ("INSERT", format!("INSERT INTO {database}.t VALUES (1)")),
            ] {
                let may = connection.batch(&sql, "").await.is_ok();
                let told = grants.on(&database, right);
                assert!(told == may || equal && may, "{right}: {told}, {may}, by {given:?} to {to}");
            }
            connection.close().await;
            for given in &given {
                administer(&format!("REVOKE {given} FROM {to}")).await;
            }
        }
    }
    administer(&format!("DROP USER {user}; DROP ROLE {role}; DROP DATABASE {database}")).await;
}

/// Of what is given on everything, MySQL may take a database out. Judged by the server itself.
#[tokio::test]
async fn what_is_taken_out_of_everything_is_told_as_the_server_has_it() {
    use crate::mysql::testing::{fresh, own};
    use crate::mysql::{Server, Settings};
    let flavour = fresh().await.connect(None).await.unwrap().flavour();
    if flavour == Flavour::MariaDb {
        // It takes nothing out.
        return;
    }
    let own = own("--partial-revokes=ON").await;
    let mut administrator = own.server.connect(None).await.unwrap();
    let objects = "CREATE DATABASE shop; CREATE TABLE shop.t (a int); CREATE DATABASE other; CREATE TABLE other.t (a int);
        CREATE ROLE without, all_of_it; GRANT SELECT, INSERT ON *.* TO without, all_of_it; REVOKE INSERT ON shop.* FROM without";
    administrator.batch(objects, "").await.unwrap();
    let taken = "GRANT SELECT, INSERT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON *.* TO u; REVOKE INSERT, TRIGGER ON shop.* FROM u";
    for (number, given) in [
        taken,
        "GRANT SELECT ON *.* TO u; GRANT without TO u",
        "GRANT INSERT ON shop.* TO u; GRANT without TO u",
        "GRANT without, all_of_it TO u",
        "GRANT SELECT, INSERT ON *.* TO u; REVOKE INSERT ON shop.* FROM u; GRANT all_of_it TO u",
        "GRANT SELECT, INSERT ON *.* TO u; REVOKE INSERT ON shop.* FROM u; GRANT INSERT ON shop.t TO u",
        "GRANT INSERT ON `sh%`.* TO u; GRANT SELECT ON `%`.* TO u",
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("u{number}");
        let given = given.replace("TO u", &format!("TO {user}")).replace("FROM u", &format!("FROM {user}"));
        let sql = format!("CREATE USER {user}; {given}; SET DEFAULT ROLE ALL TO {user}");
        administrator.batch(&sql, &given).await.unwrap();
        let settings = Settings {
            user: Some(user),
            database: "information_schema".to_owned(),
            ..own.server.settings().clone()
        };
        let mut connection = Server::new(settings).connect_nowhere().await.unwrap();
        let grants = Grants::read(&mut connection).await.unwrap();
        for database in ["shop", "other"] {
            for (right, sql) in [
                ("SELECT", format!("DO (SELECT COUNT(*) FROM {database}.t)")),
                ("INSERT", format!("INSERT INTO {database}.t VALUES (1)")),
            ] {
                // What is given on a table alone is of no use to who reads a whole database.
                let of_table = given.contains("shop.t") && database == "shop" && right == "INSERT";
                let may = connection.batch(&sql, "").await.is_ok() && !of_table;
                assert_eq!(grants.on(database, right), may, "{right} on {database} by {given}");
            }
        }
        if number == 0 {
            // What it may not see is not left out in silence.
            let mut reading = connection;
            let error = crate::mysql::catalog::read(&mut reading, "shop").await.unwrap_err();
            assert!(error.to_string().contains("whether `shop` has triggers"), "{error}");
            assert!(
                error.hint().is_some_and(|hint| hint.starts_with("GRANT TRIGGER ON `shop`.*")),
                "{error:?}"
            );
            crate::mysql::catalog::read(&mut reading, "other").await.unwrap();
            reading.close().await;
        }
    }
}
