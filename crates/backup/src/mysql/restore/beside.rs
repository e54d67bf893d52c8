use database::mysql::Server;
use database::{Engine, Entry, script};

use super::definers::Definers;
use super::load::Load;
use super::{globals, made_here, order, scratch, scratch_name, swap};
use crate::archive::Archive;
use crate::mysql::dump::Properties;
use crate::progress::Progress;
use crate::restore::{Remade, Replaced, RestoreOptions};
use crate::{Error, Result};

/// A restored and proven database beside its target.
#[derive(Debug)]
pub(crate) struct Beside {
    server: Server,
    scratch: String,
    /// What wakes it up where it has its name.
    last: Vec<String>,
    properties: Properties,
    /// What accounts made for it may do with single objects of it, and what is given again on its routines.
    grants: Vec<String>,
    /// What was made anew and is not what it was.
    remade: Vec<Remade>,
}

/// Restores beside the server's database and proves it.
pub(crate) async fn beside(
    archive: &Archive,
    server: &Server,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Beside> {
    let scratch = match &options.scratch {
        Some(name) => made_here(name).map(|()| name.clone())?,
        None => scratch_name(server, server.database()).await?,
    };
    let build = scratch::build(archive, server, &scratch, server.database(), options, progress);
    let (remade, mut grants) = Box::pin(globals::around(archive, server, (options, progress), build)).await?;
    let (last, properties) = ending(archive, options, progress).await?;
    if options.rights_as_then {
        let rights = super::extras(archive)?.on_routines;
        grants.extend(rights.iter().map(|right| right.sql(server.database())));
    }
    Ok(Beside { server: server.clone(), scratch, last, properties, grants, remade })
}

/// What is still to be done where the restored database has its name: the statements that wake it up, its properties.
pub(super) async fn ending(
    archive: &Archive,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Vec<String>, Properties)> {
    let definers = Definers::of(options);
    let load = Load { archive, progress, definers: Some(definers) };
    let text = load.text(&order::order(&archive.index().parts).last).await?;
    let statements = script::split(Engine::Mysql, &text)?;
    let last = statements.iter().map(|statement| definers.apply(statement.text).into_owned()).collect();
    Ok((last, super::properties(archive)?))
}

impl Beside {
    pub(crate) fn scratch_name(&self) -> &str {
        &self.scratch
    }

    pub(crate) fn remade(&self) -> &[Remade] {
        &self.remade
    }

    /// Takes the target's place. On an error the target is as it was and the scratch database is gone, unless the
    /// connection broke: then [`settle`](super::settle) finishes it.
    pub(crate) async fn swap(self, publish: &[Entry], disconnect: bool) -> Result<Replaced> {
        let exchange = swap::Exchange {
            server: &self.server,
            scratch: &self.scratch,
            last: self.last.clone(),
            grants: self.grants.clone(),
            properties: self.properties.clone(),
            disconnect,
        };
        let result = Box::pin(exchange.run(publish)).await;
        let Err(error) = result else { return result };
        if error.kind() == crate::ErrorKind::Connection {
            return Err(error);
        }
        match self.discard().await {
            Ok(()) => Err(error),
            Err(second) => Err(Error::new(error.kind(), format!("{error}; and {second}")).with_source(error)),
        }
    }

    pub(crate) async fn discard(self) -> Result<()> {
        scratch::drop_database(&self.server, &self.scratch).await
    }
}
