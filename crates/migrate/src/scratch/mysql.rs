use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use backup::{Error, ErrorKind, Result};
use database::mysql::{Connection, Grants, SCRATCH_ACCOUNTS, Server};
use database::{Database, Engine, quote};

use super::Made;

/// An account that may do everything in the scratch database, and nothing elsewhere.
pub(crate) struct Account {
    pub(crate) name: String,
}

const HINT: &str = "it runs as an account of its own, so that it reaches nothing else: that takes CREATE and CREATE USER with \
                    GRANT OPTION, or another server: --scratch-url mysql://…";

impl Account {
    /// The one of a scratch database: from its name alone, so that whoever removes what was left finds it.
    pub(crate) fn of(database: &str) -> Self {
        let hash = crate::files::checksum(database);
        Self { name: format!("{SCRATCH_ACCOUNTS}{}", &hash[..8]) }
    }

    /// The same, with a password that nobody knows.
    fn with_password(database: &str) -> Result<(Self, String)> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {error}"))
        })?;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        // Where passwords have to have every kind of sign, this one has.
        Ok((Self::of(database), format!("Dbm-{hex}")))
    }

    /// What makes it, with all rights in one database.
    async fn statements(
        &self,
        connection: &mut Connection,
        database: &str,
        password: &str,
    ) -> Result<[String; 2]> {
        let mut pattern = quote::identifier(Engine::Mysql, database);
        if Grants::read(connection).await?.take_patterns() {
            // In a grant `_` and `%` stand for any sign, also of another database's name.
            pattern = pattern.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
        }
        let (account, password) = (self.quoted(), quote::literal(Engine::Mysql, password));
        Ok([
            format!("CREATE USER {account} IDENTIFIED BY {password}"),
            format!("GRANT ALL PRIVILEGES ON {pattern}.* TO {account}"),
        ])
    }

    /// The database as it alone sees it.
    fn database(
        self,
        server: &Server,
        on: &Database,
        name: String,
        password: &str,
    ) -> Result<(Database, Made)> {
        let mut settings = server.settings().clone();
        settings.database.clone_from(&name);
        settings.user = Some(self.name.clone());
        let mut url = database::DatabaseUrl::Mysql(settings);
        url.set_password(password);
        Ok((Database::new(url)?, Made::Beside { server: on.clone(), name }))
    }

    fn quoted(&self) -> String {
        format!("{}@'%'", quote::literal(Engine::Mysql, &self.name))
    }

    /// Removes it.
    async fn drop(&self, server: &Server) -> Result<()> {
        let mut connection = server.connect_nowhere().await?;
        let sql = format!("DROP USER IF EXISTS {}", self.quoted());
        connection.batch(&sql, "cannot drop the scratch database's account").await?;
        connection.close().await;
        Ok(())
    }
}

/// Removes the account of a scratch database. Whoever may not has made none.
pub(crate) async fn discard_account(server: &Server, database: &str) -> Result<()> {
    match Account::of(database).drop(server).await {
        Err(error) if error.kind() == ErrorKind::Permission => Ok(()),
        dropped => dropped,
    }
}

/// A database with the character set of the target's, and the account that alone is used in it.
pub(crate) async fn make(server: &Server, on: &Database, name: String) -> Result<(Database, Made)> {
    let mut connection = server.connect_nowhere().await?;
    let asked = format!(
        "SELECT CONCAT(' CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
           FROM information_schema.schemata WHERE schema_name = {}",
        quote::literal(Engine::Mysql, server.database())
    );
    let what = "cannot make a scratch database";
    let charset = connection.value(&asked, what).await?.unwrap_or_default();
    let quoted = quote::identifier(Engine::Mysql, &name);
    let (account, password) = Account::with_password(&name)?;
    let of_account = account.statements(&mut connection, &name, &password).await?;
    for (place, statement) in
        std::iter::once(format!("CREATE DATABASE {quoted}{charset}")).chain(of_account).enumerate()
    {
        if let Err(error) = connection.batch(&statement, what).await {
            // One that could not be made may be another command's.
            if place > 0 {
                let _gone = backup::restore::discard_scratch(on, &name).await;
                let _gone = account.drop(server).await;
            }
            return Err(Error::from(error).with_hint(HINT));
        }
    }
    connection.close().await;
    account.database(server, on, name, &password)
}

/// A copy of the archive's database, in which all that acts by itself acts as the account that alone is used in it.
pub(crate) async fn restore(
    server: &Server,
    on: &Database,
    name: String,
    archive: &Archive,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Database, Made)> {
    let (account, password) = Account::with_password(&name)?;
    let mut connection = server.connect_nowhere().await?;
    for statement in account.statements(&mut connection, &name, &password).await? {
        if let Err(error) = connection.batch(&statement, "cannot make the scratch database's account").await {
            let _gone = account.drop(server).await;
            return Err(Error::from(error).with_hint(HINT));
        }
    }
    connection.close().await;
    // Nobody else is to have rights in it.
    let options = RestoreOptions { no_privileges: true, ..options.clone() };
    let acts_as = format!("{}@%", account.name);
    let restored =
        backup::restore::into_scratch(archive, on, &name, Some(&acts_as), &options, progress).await;
    if let Err(error) = restored {
        let _gone = account.drop(server).await;
        return Err(error);
    }
    account.database(server, on, name, &password)
}
