use super::*;
use crate::DatabaseUrl;
use crate::postgres::Server;

fn server() -> Server {
    let url =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is missing: run scripts/test");
    let DatabaseUrl::Postgres(settings) = DatabaseUrl::parse(&url).unwrap() else { panic!("a postgres URL") };
    Server::new(settings)
}

#[test]
fn lists_of_names() {
    assert_eq!(list(r#""$user", public"#), ["$user", "public"]);
    assert_eq!(list(r#""a, ""b""",c"#), [r#"a, "b""#, "c"]);
    assert_eq!(list(""), Vec::<String>::new());
    assert_eq!(setting_value("search_path", r#""A b", c"#), "'A b', 'c'");
    assert_eq!(setting_value("search_path", "\"\""), "''");
    assert_eq!(setting_value("work_mem", "8MB"), "'8MB'");
    assert_eq!(setting_name("plpgsql.extra_warnings"), "\"plpgsql\".\"extra_warnings\"");
}

/// Every property of one database is given to another, and read back.
#[tokio::test]
async fn all_properties_go_over() {
    let client = server().connect(None).await.unwrap();
    let id = std::process::id();
    let [owner, clerk] = ["owner", "clerk"].map(|name| format!("prop {name} {id}"));
    let [from, to] = ["from", "to"].map(|name| format!("prop \"{name}\" {id}"));
    let run = async |sql: String| {
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    };
    let q = |name: &str| identifier(name);
    for role in [&owner, &clerk] {
        run(format!("CREATE ROLE {}", q(role))).await;
    }
    run(format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 7", q(&from))).await;
    let plain = read(&client, &from).await.unwrap();
    assert_eq!((plain.privileges.clone(), plain.connection_limit), (Privileges::Default, 7));
    for sql in [
        format!("COMMENT ON DATABASE {} IS 'it''s \\ mine'", q(&from)),
        format!("ALTER DATABASE {} SET search_path TO \"$user\", \"odd \"\"name\", public", q(&from)),
        format!("ALTER DATABASE {} SET work_mem TO '8MB'", q(&from)),
        format!("ALTER DATABASE {} SET \"my.setting\" TO 'x=y'", q(&from)),
        format!("ALTER ROLE {} IN DATABASE {} SET statement_timeout TO '5s'", q(&clerk), q(&from)),
        format!("ALTER DATABASE {} OWNER TO {}", q(&from), q(&owner)),
        format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", q(&from)),
        format!("GRANT CONNECT ON DATABASE {} TO CURRENT_USER", q(&from)),
        format!("GRANT TEMPORARY ON DATABASE {} TO {} WITH GRANT OPTION", q(&from), q(&clerk)),
        format!("SET ROLE {}; GRANT TEMPORARY ON DATABASE {} TO PUBLIC; RESET ROLE", q(&clerk), q(&from)),
    ] {
        run(sql).await;
    }
    let wanted = read(&client, &from).await.unwrap();
    assert_eq!(wanted.settings.len(), 4);
    assert!(
        matches!(&wanted.privileges, Privileges::Exactly(grants) if grants.len() >= 5),
        "{:?}",
        wanted.privileges
    );
    assert!(wanted.roles().contains(&clerk.as_str()));
    run(wanted.create_database_sql(&to)).await;
    assert!(!differences(&wanted, &read(&client, &to).await.unwrap()).is_empty());
    for sql in wanted.apply_sql(&to) {
        run(sql).await;
    }
    let found = read(&client, &to).await.unwrap();
    assert_eq!(differences(&wanted, &found), Vec::<String>::new());
    assert_eq!(serde_json::from_value::<Properties>(serde_json::to_value(&wanted).unwrap()).unwrap(), wanted);
    for database in [&from, &to] {
        run(format!("DROP DATABASE {}", q(database))).await;
    }
    run(format!("DROP ROLE {}, {}", q(&owner), q(&clerk))).await;
    assert_eq!(read(&client, &to).await.unwrap_err().kind(), ErrorKind::NoDatabase);
}
