use super::grants::Grants;
use super::home::Home;
use super::{Connection, Flavour, Server};
use crate::{About, Engine, ErrorKind, Result, SourceId, quote};

const WHAT: &str = "cannot ask the server what it is";

impl Server {
    /// What the server says of itself and of us.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn about(&self) -> Result<About> {
        let mut connection = self.connect(None).await?;
        let about = self.about_through(&mut connection).await;
        connection.close().await;
        about
    }

    async fn about_through(&self, connection: &mut Connection) -> Result<About> {
        let grants = Grants::read(connection).await?;
        let superuser = grants.everywhere("SUPER");
        let account = connection.value("SELECT CURRENT_USER()", WHAT).await?.unwrap_or_default();
        let read_only = connection.value("SELECT @@global.read_only", WHAT).await?;
        let innodb = connection.value("SELECT @@global.innodb_read_only", WHAT).await?;
        let read_only = read_only.is_some_and(|mode| mode != "0" && mode != "OFF")
            && !(superuser || grants.everywhere("READ_ONLY ADMIN"))
            || innodb.as_deref() == Some("1")
            || self.super_read_only(connection).await?;
        let name = quote::literal(Engine::Mysql, self.database());
        let bytes = format!(
            "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED)
               FROM information_schema.tables WHERE table_schema = {name}"
        );
        let bytes = connection.value(&bytes, WHAT).await?;
        let has_home = Home::find(connection, self.database()).await?.is_some();
        let source = self.source_through(connection).await?;
        Ok(About {
            engine: Engine::Mysql,
            server_version: short_version(connection),
            database: self.database().to_owned(),
            instance: source.to_string(),
            source,
            account,
            superuser,
            may_create_databases: ["_restoring_", "_replaced_"]
                .iter()
                .all(|made| grants.on(&format!("{}{made}", self.database()), "CREATE")),
            may_write: !read_only,
            may_keep_history: !read_only,
            may_run: !read_only && (has_home || Home::may_make(&grants, self.database())),
            publishes_all: Vec::new(),
            bytes: bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
        })
    }

    /// What MySQL has beyond `read_only`, against superusers too.
    async fn super_read_only(&self, connection: &mut Connection) -> Result<bool> {
        if connection.flavour() == Flavour::MariaDb {
            return Ok(false);
        }
        Ok(connection.value("SELECT @@global.super_read_only", WHAT).await?.as_deref() == Some("1"))
    }

    /// What the database is known by where it has no id: its address.
    pub fn source_by_place(&self) -> SourceId {
        SourceId(format!("mysql:{}/{}", self.settings().place, self.database()))
    }

    pub(super) async fn source_through(&self, connection: &mut Connection) -> Result<SourceId> {
        if connection.flavour() == Flavour::MySql {
            let uuid = connection.value("SELECT @@global.server_uuid", WHAT).await?;
            return Ok(match uuid {
                Some(uuid) => SourceId(format!("mysql:{uuid}/{}", self.database())),
                None => self.source_by_place(),
            });
        }
        let Some(home) = Home::find(connection, self.database()).await? else {
            return Ok(self.source_by_place());
        };
        let sql = format!(
            "SELECT id FROM {} WHERE `database` = {}",
            home.table("source", self.database()),
            quote::literal(Engine::Mysql, self.database())
        );
        match connection.value(&sql, "cannot read the database's id").await {
            Ok(Some(id)) => Ok(SourceId(format!("mysql:{id}/{}", self.database()))),
            Ok(None) => Ok(self.source_by_place()),
            Err(error) if error.kind() == ErrorKind::Permission => Ok(self.source_by_place()),
            Err(error) => Err(error),
        }
    }

    /// Which database it is, with an id of its own given to it now if it needs one: MariaDB has none for a server.
    /// Where dbm may write nothing, the address has to do.
    ///
    /// # Errors
    /// What connecting or writing gave.
    pub async fn ensure_source_id(&self) -> Result<SourceId> {
        let mut connection = self.connect(None).await?;
        let source = self.ensure_source_through(&mut connection).await;
        connection.close().await;
        source
    }

    async fn ensure_source_through(&self, connection: &mut Connection) -> Result<SourceId> {
        let known = self.source_through(connection).await?;
        if connection.flavour() == Flavour::MySql || known != self.source_by_place() {
            return Ok(known);
        }
        let what = "cannot give the database its id";
        let home = match Home::make(connection, self.database()).await {
            Ok(home) => home,
            Err(error) if error.kind() == ErrorKind::Permission => return Ok(known),
            Err(error) => return Err(error),
        };
        let id = connection.value("SELECT UUID()", what).await?.unwrap_or_default();
        let sql = format!(
            "INSERT IGNORE INTO {} (`database`, id) VALUES ({}, '{id}')",
            home.table("source", self.database()),
            quote::literal(Engine::Mysql, self.database())
        );
        match connection.batch(&sql, what).await {
            Err(error) if error.kind() != ErrorKind::Permission => return Err(error),
            _ => {}
        }
        self.source_through(connection).await
    }
}

/// `10.11.19-MariaDB` of `10.11.19-MariaDB-0+deb12u1-log`, `9.7.0` of `9.7.0-1ubuntu`.
fn short_version(connection: &Connection) -> String {
    let version = connection.server_version();
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let number = version.split('-').next().unwrap_or_default();
    match connection.flavour() {
        Flavour::MariaDb => format!("{number}-MariaDB"),
        Flavour::MySql => number.to_owned(),
    }
}
