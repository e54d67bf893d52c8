use backup::{Error, ErrorKind, Result};
use database::mysql::Server;
use database::{Database, Engine, quote};

use super::Made;

/// An account that may do everything in the scratch database, and nothing elsewhere.
pub(crate) struct Account {
    name: String,
}

impl Account {
    fn quoted(&self) -> String {
        format!("{}@'%'", quote::literal(Engine::Mysql, &self.name))
    }

    /// Removes it.
    pub(super) async fn drop(&self, server: &Database) -> Result<()> {
        let Database::Mysql(server) = server else { return Ok(()) };
        let mut connection = server.connect_nowhere().await?;
        let sql = format!("DROP USER IF EXISTS {}", self.quoted());
        connection.batch(&sql, "cannot drop the scratch database's account").await?;
        connection.close().await;
        Ok(())
    }
}

/// A database with the character set of the target's, and the account that alone is used in it.
pub(crate) async fn make(server: &Server, on: &Database) -> Result<(Database, Made)> {
    let mut connection = server.connect_nowhere().await?;
    let asked = format!(
        "SELECT CONCAT(' CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
           FROM information_schema.schemata WHERE schema_name = {}",
        quote::literal(Engine::Mysql, server.database())
    );
    let what = "cannot make a scratch database";
    let charset = connection.value(&asked, what).await?.unwrap_or_default();
    let name = backup::restore::scratch_name(on).await?;
    let quoted = quote::identifier(Engine::Mysql, &name);
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {error}"))
    })?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let account = Account { name: format!("dbm_scratch_{}", &hex[..8]) };
    // Where passwords have to have every kind of sign, this one has.
    let password = format!("Dbm-{hex}");
    // In a grant `_` and `%` stand for any sign, also of another database's name.
    let pattern = quoted.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
    for statement in [
        format!("CREATE DATABASE {quoted}{charset}"),
        format!(
            "CREATE USER {} IDENTIFIED BY {}",
            account.quoted(),
            quote::literal(Engine::Mysql, &password)
        ),
        format!("GRANT ALL PRIVILEGES ON {pattern}.* TO {}", account.quoted()),
    ] {
        if let Err(error) = connection.batch(&statement, what).await {
            let _gone = backup::restore::discard_scratch(on, &name).await;
            let _gone = account.drop(on).await;
            return Err(Error::from(error).with_hint(
                "it runs as an account of its own, so that it reaches nothing else: that takes CREATE and CREATE USER with \
                 GRANT OPTION, or another server: --scratch-url mysql://…",
            ));
        }
    }
    connection.close().await;
    let mut settings = server.settings().clone();
    settings.database.clone_from(&name);
    settings.user = Some(account.name.clone());
    let mut url = database::DatabaseUrl::Mysql(settings);
    url.set_password(&password);
    Ok((Database::new(url)?, Made::Beside { server: on.clone(), name, account: Some(account) }))
}
