//! What is left of one file for the next: constraints checked and deferred again, settings and roles as they were.

use std::time::Duration;

use super::testing::{administer, fresh, one, role};
use crate::{Lock as _, Statements as _};

#[tokio::test]
async fn deferred_constraints_are_checked_between_files_and_deferred_again() {
    let mut session = fresh().await.session().await.unwrap();
    let tables = "CREATE TABLE p (id int PRIMARY KEY);
                  CREATE TABLE c (p int CONSTRAINT \"a\"\"b\" REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    session.execute(tables).await.unwrap();
    session.begin(None).await.unwrap();
    let temporary = "CREATE TEMP TABLE q (id int PRIMARY KEY);
                     CREATE TEMP TABLE d (q int REFERENCES q DEFERRABLE INITIALLY DEFERRED)";
    session.execute(temporary).await.unwrap();
    session.execute("INSERT INTO c VALUES (1); INSERT INTO p VALUES (1)").await.unwrap();
    session.end_file().await.unwrap();
    session.execute("INSERT INTO c VALUES (2)").await.unwrap();
    assert_eq!(session.end_file().await.unwrap_err().sqlstate(), Some("23503"));
    session.rollback().await.unwrap();
}

#[tokio::test]
async fn each_kind_of_deferred_constraint_is_deferred_again() {
    let mut session = fresh().await.session().await.unwrap();
    let tables = "CREATE SCHEMA \"S 1\";
                  CREATE TABLE \"S 1\".u (a int CONSTRAINT \"U 1\" UNIQUE DEFERRABLE INITIALLY DEFERRED);
                  CREATE TABLE \"S 1\".k (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
                  CREATE TABLE x (a int4range, EXCLUDE USING gist (a WITH &&) DEFERRABLE INITIALLY DEFERRED);
                  CREATE TABLE p (id int PRIMARY KEY);
                  CREATE TABLE f (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED) PARTITION BY RANGE (p);
                  CREATE TABLE f1 PARTITION OF f FOR VALUES FROM (0) TO (100)";
    session.execute(tables).await.unwrap();
    for wrong in [
        "INSERT INTO \"S 1\".u VALUES (1), (1)",
        "INSERT INTO \"S 1\".k VALUES (1), (1)",
        "INSERT INTO x VALUES ('[1,3]'), ('[2,4]')",
        "INSERT INTO f VALUES (1)",
    ] {
        session.begin(None).await.unwrap();
        session.end_file().await.unwrap();
        session.execute(wrong).await.unwrap();
        assert!(session.end_file().await.is_err(), "{wrong}");
        session.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_constraint_is_deferred_only_if_all_of_its_name_are() {
    for other in ["NOT DEFERRABLE", "DEFERRABLE INITIALLY IMMEDIATE"] {
        let mut session = fresh().await.session().await.unwrap();
        let tables = format!(
            "CREATE TABLE p (id int PRIMARY KEY);
             CREATE TABLE a (p int CONSTRAINT f REFERENCES p DEFERRABLE INITIALLY DEFERRED);
             CREATE TABLE b (p int CONSTRAINT f REFERENCES p {other});
             CREATE TABLE c (p int CONSTRAINT g REFERENCES p DEFERRABLE INITIALLY DEFERRED);
             CREATE SCHEMA s;
             CREATE TABLE s.a (p int CONSTRAINT f REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
        );
        session.execute(&tables).await.unwrap();
        session.begin(None).await.unwrap();
        session.end_file().await.unwrap();
        let written = "INSERT INTO c VALUES (1); INSERT INTO s.a VALUES (1); INSERT INTO p VALUES (1)";
        session.execute(written).await.unwrap();
        let refused = session.execute("INSERT INTO b VALUES (2)").await.unwrap_err();
        assert_eq!(refused.sqlstate(), Some("23503"), "{other}: a file may count on the refusal");
        session.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn constraints_that_we_cannot_name_are_left_as_they_are() {
    let server = fresh().await;
    let (name, as_other) = role(&server, "").await;
    let mut owner = server.session().await.unwrap();
    let tables = format!(
        "GRANT CREATE ON SCHEMA public TO {name};
         CREATE TABLE p (id int PRIMARY KEY);
         CREATE SCHEMA closed;
         CREATE TABLE closed.c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
         CREATE TEMP TABLE q (id int PRIMARY KEY);
         CREATE TEMP TABLE d (q int REFERENCES q DEFERRABLE INITIALLY DEFERRED)"
    );
    owner.execute(&tables).await.unwrap();
    let mut session = as_other.session().await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("CREATE TABLE one (id int)").await.unwrap();
    session.end_file().await.unwrap();
    session.execute("CREATE TABLE two (id int)").await.unwrap();
    session.commit().await.unwrap();
}

#[tokio::test]
async fn settings_of_one_file_do_not_reach_the_next() {
    let server = fresh().await;
    let (other, _) = role(&server, "").await;
    let mut session = server.session().await.unwrap();
    assert!(session.try_lock().await.unwrap());
    session.begin(Some(Duration::from_secs(3))).await.unwrap();
    session
        .execute("SET search_path = ''; CREATE TEMP TABLE x (a int); SET statement_timeout = 5")
        .await
        .unwrap();
    session.execute(&format!("SET ROLE {other}")).await.unwrap();
    session.reset().await.unwrap();
    assert_eq!(one(&mut session, "SELECT current_user = session_user").await, "t");
    session.execute("CREATE TABLE x (a int)").await.unwrap();
    assert_eq!(one(&mut session, "SHOW statement_timeout").await, "0");
    assert_eq!(one(&mut session, "SHOW lock_timeout").await, "3s");
    session.commit().await.unwrap();
    assert_eq!(one(&mut session, "SHOW lock_timeout").await, "0");
    assert_eq!(one(&mut session, "SELECT 'public.x'::regclass").await, "x");
    let mut second = server.session().await.unwrap();
    assert!(!second.try_lock().await.unwrap(), "the lock stays");
    assert_eq!(
        second.lock_holder().await.unwrap().as_ref(),
        Some(session.id()),
        "and so does its holder's name"
    );
}

#[tokio::test]
async fn a_role_that_the_account_takes_at_login_is_taken_again() {
    let server = fresh().await;
    let (owner, _) = role(&server, "").await;
    let (login, plain) = role(&server, "").await;
    administer(&format!("GRANT {owner} TO {login}; ALTER ROLE {login} SET role = '{owner}'")).await;
    let mut session = plain.session().await.unwrap();
    assert_eq!(one(&mut session, "SELECT current_user").await, owner);
    session.execute("SET ROLE NONE").await.unwrap();
    session.reset().await.unwrap();
    assert_eq!(one(&mut session, "SELECT current_user").await, owner);
}
