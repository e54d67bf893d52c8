//! The exchange of two databases' objects: all tables in one atomic `RENAME TABLE`, and around it what no rename moves.
//!
//! A table with a trigger is not renamed across databases, and views, routines and events are not renamed at all, so
//! these are removed before and made again after it. Each step is noted before it begins, with all that it needs, so
//! that whoever comes after a kill goes on: back if the tables have not moved, forward if they have.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use database::mysql::{Connection, OWN_TABLES, Server, Session, catalog};
use database::{Engine, Entry, Fence as _, FenceState, Lock as _, Statements as _, quote};
use serde::{Deserialize, Serialize};

use super::lenient;
use super::pieces::{self, Piece};
use super::run;
use super::scratch::{self, exists, properties_sql};
use crate::mysql::dump::{Properties, properties};
use crate::mysql::privileges::{self, OnRoutine};
use crate::restore::Replaced;
use crate::{Error, ErrorKind, Result};

/// How long the exchange waits for the statements of others on the tables.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one attempt waits: everybody who comes after it waits too.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The step that is about to be made, as it is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Others are kept out, and what no rename moves is removed on both sides.
    Clearing,
    /// The tables are exchanged.
    Exchanging,
    /// What no rename moves is made again on both sides.
    Making,
    /// All is made: the fence goes, and the journal says so.
    Ending,
    /// It did not come to the exchange: what was removed is made again.
    Back,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Clearing => "clearing",
            Self::Exchanging => "exchanging",
            Self::Making => "making",
            Self::Ending => "ending",
            Self::Back => "back",
        }
    }
}

/// What one side holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Side {
    tables: Vec<String>,
    /// All views, also those that are broken and cannot be made again.
    views: Vec<String>,
    pieces: Vec<Piece>,
    defaults: Vec<String>,
}

/// All that an exchange needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Whose place is taken.
    target: String,
    /// Who takes it.
    scratch: String,
    /// Where the target's objects go; none where there was no target.
    replaced: Option<String>,
    when: DateTime<Utc>,
    old: Side,
    new: Side,
    /// What wakes the target up when all is made.
    last: Vec<String>,
    old_properties: Option<Properties>,
    new_properties: Properties,
    /// Who may run the target's routines: removing one forgets it.
    grants: Vec<String>,
    /// What accounts that the restore made may do with single objects, once these are here; and who might run routines
    /// when the archive was made.
    #[serde(default)]
    new_grants: Vec<String>,
    /// Where something acts by itself when rows are written, nobody else may write meanwhile.
    fence: Option<FenceState>,
    /// What becomes the journal of the target's runs.
    publish: Vec<Entry>,
}

/// What is to be exchanged.
pub(super) struct Exchange<'a> {
    /// Its database is the target.
    pub(super) server: &'a Server,
    pub(super) scratch: &'a str,
    pub(super) last: Vec<String>,
    pub(super) grants: Vec<String>,
    pub(super) properties: Properties,
    pub(super) disconnect: bool,
}

impl Exchange<'_> {
    /// Lets the scratch database take the target's place.
    ///
    /// # Errors
    /// What stopped it; the target is as it was, unless the connection broke: then the next command finishes it.
    pub(super) async fn run(self, publish: &[Entry]) -> Result<Replaced> {
        let target = self.server.database();
        let mut session = self.server.session().await?;
        unfinished(&mut session, target).await?;
        self.others_gone().await?;
        let mut connection = self.server.connect(None).await?;
        let old_properties = properties(&mut connection, target).await?;
        let old = side(&mut connection, target).await?;
        let new = side(&mut connection, self.scratch).await?;
        let rights = privileges::of_routines(&mut connection, target).await;
        let grants = rights.iter().flatten().map(|right| right.sql(target)).collect();
        connection.close().await;
        let replaced = scratch::free_name(self.server, target, crate::restore::names::Made::Replaced).await?;
        let mut plan = Plan {
            target: target.to_owned(),
            scratch: self.scratch.to_owned(),
            replaced: Some(replaced.clone()),
            when: Utc::now(),
            old,
            new,
            last: self.last.clone(),
            old_properties: Some(old_properties),
            new_properties: self.properties.clone(),
            grants,
            new_grants: self.grants.clone(),
            fence: None,
            publish: publish.to_vec(),
        };
        let mut unguarded = None;
        if pieces::act(&plan.old.pieces) || pieces::act(&plan.new.pieces) {
            match session.fence_state().await {
                Ok(state) => plan.fence = Some(state),
                Err(error) => unguarded = Some(no_fence(&error)),
            }
        }
        let when = plan.when;
        plan.begin(&mut session).await?;
        let moved = match plan.keep_out(&mut session).await {
            Ok(passed) => {
                unguarded = unguarded.or(passed);
                plan.exchange(&mut session, Some((self.server, self.disconnect))).await
            }
            Err(error) => Err(error),
        };
        let refused = match moved {
            Ok(()) => plan.finish(&mut session).await?,
            Err(error) if error.kind() == ErrorKind::Connection => return Err(error),
            Err(error) => {
                plan.back(&mut session).await?;
                let lost = self.not_granted(rights, &plan.old.pieces).await;
                return Err(if lost.is_empty() { error } else { with_lost(error, &lost) });
            }
        };
        let mut not_granted = self.not_granted(rights, &plan.new.pieces).await;
        not_granted.extend(refused);
        Ok(Replaced { name: replaced, when, bytes: None, not_granted, unguarded })
    }

    /// What others could do with routines that have been made again, and cannot do now.
    async fn not_granted(&self, then: Result<Vec<OnRoutine>>, made: &[Piece]) -> Vec<String> {
        let routines = pieces::routines(made);
        let compared = async {
            let mut then = then?;
            then.retain(|right| routines.iter().any(|id| right.is_on(id)));
            let mut connection = self.server.connect_nowhere().await?;
            let now = privileges::of_routines(&mut connection, self.server.database()).await?;
            connection.close().await;
            Ok::<_, Error>(privileges::missing(&then, &now))
        };
        match compared.await {
            Ok(missing) => missing,
            Err(_) if routines.is_empty() => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "grants on single routines have to be given again by hand");
                let names: Vec<String> = routines.iter().map(ToString::to_string).collect();
                vec![format!(
                    "those of others on {}, which this account may not see (GRANT SELECT ON mysql.procs_priv TO it)",
                    names.join(", ")
                )]
            }
        }
    }

    async fn others_gone(&self) -> Result<()> {
        if self.disconnect {
            // Whoever comes back meanwhile waits at the exchange, which is one statement.
            return end_those_there(self.server).await;
        }
        let others = self.server.others_staying().await?;
        let Some(one) = others.first() else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Busy,
            format!(
                "`{}` is in use, so nothing can take its place: {} from {}",
                self.server.database(),
                one.account,
                one.address
            ),
        )
        .with_hint("end those sessions, or let them be ended with --disconnect"))
    }
}

/// Ends those who are in the target. Whom this account may not end can stay: the exchange is one statement, which waits until
/// nobody is within a transaction.
async fn end_those_there(server: &Server) -> Result<()> {
    match server.end_those_there().await {
        Err(error) if error.kind() == database::ErrorKind::Permission => {
            tracing::warn!(%error, "others stay connected while the database is exchanged");
            Ok(())
        }
        ended => Ok(ended?),
    }
}

/// The same error, where it has cost rights.
fn with_lost(error: Error, lost: &[String]) -> Error {
    let message = format!(
        "{error}; and rights that the server did not let us give again are lost: {}",
        lost.join("; ")
    );
    let hint = error.hint().map(str::to_owned);
    let error = Error::new(error.kind(), message).with_source(error);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Gives a scratch database a name that nobody has.
pub(super) async fn take_name(
    server: &Server,
    scratch: &str,
    name: &str,
    last: Vec<String>,
    properties: Properties,
) -> Result<()> {
    let inside = at(server, scratch);
    let mut session = inside.session().await?;
    let mut connection = inside.connect(None).await?;
    let new = side(&mut connection, scratch).await?;
    if exists(&mut connection, name).await? {
        return Err(scratch::taken(name));
    }
    connection.close().await;
    let plan = Plan {
        target: name.to_owned(),
        scratch: scratch.to_owned(),
        replaced: None,
        when: Utc::now(),
        old: Side::default(),
        new,
        last,
        old_properties: None,
        new_properties: properties,
        grants: Vec::new(),
        new_grants: Vec::new(),
        fence: None,
        publish: Vec::new(),
    };
    plan.begin(&mut session).await?;
    match plan.exchange(&mut session, None).await {
        Ok(()) => plan.finish(&mut session).await.map(drop),
        Err(error) if error.kind() == ErrorKind::Connection => Err(error),
        Err(error) => {
            plan.back(&mut session).await?;
            Err(error)
        }
    }
}

/// Finishes the exchange of the server's database that was interrupted, if one was: forward where the tables have
/// moved, back where they have not.
pub(crate) async fn settle(server: &Server) -> Result<()> {
    let mut session = match server.session().await {
        Err(error) if error.kind() == database::ErrorKind::NoDatabase => return Ok(()),
        session => session?,
    };
    unfinished(&mut session, server.database()).await
}

async fn unfinished(session: &mut Session, target: &str) -> Result<()> {
    let Some(note) = session.swap_note(target).await? else { return Ok(()) };
    let unreadable = |cause| {
        Error::new(ErrorKind::Refused, "the note of an interrupted exchange cannot be read")
            .with_hint("another version of dbm may have written it: finish with that one")
            .with_source(cause)
    };
    let plan: Plan = serde_json::from_value(note.plan).map_err(unreadable)?;
    let stage: Stage = serde_json::from_value(note.stage.into()).map_err(unreadable)?;
    // The server goes on with a statement whose client is gone.
    if note.session != *session.id() {
        session.end_session(&note.session).await?;
    }
    tracing::info!(target, ?stage, "an exchange was interrupted; it is finished or undone");
    match stage {
        Stage::Clearing | Stage::Back => plan.back(session).await,
        Stage::Exchanging if !plan.moved(session).await? => plan.back(session).await,
        Stage::Exchanging | Stage::Making => plan.finish(session).await.map(drop),
        Stage::Ending => plan.end(session).await,
    }
}

/// The server with another database.
pub(super) fn at(server: &Server, database: &str) -> Server {
    let settings = database::mysql::Settings { database: database.to_owned(), ..server.settings().clone() };
    Server::new(settings)
}

/// Why others can write while triggers are made again, and would pass them.
fn no_fence(error: &database::Error) -> String {
    tracing::warn!(%error, "others can write while triggers are made again");
    error.to_string()
}

/// What a database holds.
async fn side(connection: &mut Connection, database: &str) -> Result<Side> {
    let schema = catalog::read(connection, database).await?;
    for one in schema.refused.iter().chain(&schema.broken) {
        let name = one.what.strip_prefix("view ").unwrap_or_default();
        let sql = format!("SHOW CREATE VIEW {}", quote::identifier(Engine::Mysql, name));
        let text = connection
            .query(&sql, "")
            .await
            .ok()
            .and_then(|rows| rows.into_iter().next()?.into_iter().nth(1)?);
        tracing::warn!(text, "{}: {}; it cannot be kept as it is", one.what, one.why);
    }
    let tables = tables(connection, database).await?;
    let sql = format!(
        "SELECT table_name FROM information_schema.views WHERE table_schema = {} ORDER BY table_name",
        quote::literal(Engine::Mysql, database)
    );
    let views =
        connection.query(&sql, "cannot list the views").await?.into_iter().flatten().flatten().collect();
    Ok(Side { tables, views, pieces: pieces::of(&schema), defaults: pieces::defaults(&schema) })
}

/// The names of everything that a rename moves, but dbm's own: MERGE tables are made again.
async fn tables(connection: &mut Connection, database: &str) -> Result<Vec<String>> {
    let rows = connection.query(&tables_sql(database), "cannot list the tables").await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

fn tables_sql(database: &str) -> String {
    let own: Vec<String> = OWN_TABLES.iter().map(|name| quote::literal(Engine::Mysql, name)).collect();
    format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {}
            AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND table_name NOT IN ({})
            AND COALESCE(engine, '') <> 'MRG_MyISAM'
          ORDER BY table_name",
        quote::literal(Engine::Mysql, database),
        own.join(", ")
    )
}

async fn there(session: &mut Session, database: &str) -> Result<Vec<String>> {
    Ok(session.query(&tables_sql(database)).await?.into_iter().flatten().flatten().collect())
}

impl Plan {
    async fn begin(&self, session: &mut Session) -> Result<()> {
        let plan = serde_json::to_value(self).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the note of an exchange has no JSON").with_source(cause)
        })?;
        Ok(session.begin_swap(&self.target, Stage::Clearing.word(), &plan).await?)
    }

    async fn stage(&self, session: &mut Session, stage: Stage) -> Result<()> {
        Ok(session.stage_swap(&self.target, stage.word()).await?)
    }

    /// Where the target's tables go, and which properties that database has.
    fn makes(&self) -> (&str, &Properties) {
        match (&self.replaced, &self.old_properties) {
            (Some(name), Some(properties)) => (name, properties),
            _ => (&self.target, &self.new_properties),
        }
    }

    /// Keeps others out, and says why that is not all of them. An account that may see all the others need not be one that
    /// may lock them.
    async fn keep_out(&mut self, session: &mut Session) -> Result<Option<String>> {
        let Some(state) = &self.fence else { return Ok(None) };
        match session.keep_out(state).await {
            // Where all accounts are locked, somebody who may not be ended is still inside.
            Err(error)
                if error.kind() == database::ErrorKind::Permission
                    && !session.fence_stands(state).await? =>
            {
                session.lift_fence(state).await?;
                self.fence = None;
                self.begin(session).await?;
                return Ok(Some(no_fence(&error)));
            }
            kept_out => kept_out?,
        }
        let elsewhere = session.elsewhere().await?;
        Ok(elsewhere
            .first()
            .map(|one| format!("{} from {} worked in another database meanwhile", one.account, one.address)))
    }

    /// Removes what no rename moves, and exchanges the tables.
    async fn exchange(&self, session: &mut Session, others: Option<(&Server, bool)>) -> Result<()> {
        let (name, properties) = self.makes();
        let create = format!(
            "CREATE DATABASE {}{}",
            quote::identifier(Engine::Mysql, name),
            properties_sql(properties, session.flavour())
        );
        pieces::run(session, &create).await?;
        if self.replaced.is_some() {
            pieces::enter(session, &self.target).await?;
            pieces::clear(session, &self.old.pieces).await?;
        }
        pieces::enter(session, &self.scratch).await?;
        pieces::clear(session, &self.new.pieces).await?;
        self.stage(session, Stage::Exchanging).await?;
        let Some(sql) = self.rename(&self.old.tables, &self.new.tables) else { return Ok(()) };
        // With checks off the server does not follow the foreign keys.
        session.execute("SET foreign_key_checks = 1").await?;
        lenient::rename(session).await?;
        session.set_lock_timeout(Some(ATTEMPT)).await?;
        let deadline = Instant::now() + PATIENCE;
        let outcome = loop {
            match session.batch(&sql, "cannot exchange the tables").await {
                Err(error)
                    if error.kind() == database::ErrorKind::LockTimeout && Instant::now() < deadline =>
                {
                    if let Some((server, true)) = others {
                        end_those_there(server).await?;
                    }
                }
                outcome => break outcome,
            }
        };
        session.set_lock_timeout(None).await?;
        outcome?;
        Ok(())
    }

    /// The one statement that moves tables of both sides; none where there are none.
    fn rename(&self, old: &[String], new: &[String]) -> Option<String> {
        let name = |database: &str, table: &str| quote::qualified(Engine::Mysql, &[database, table]);
        let mut moves = Vec::new();
        if let Some(replaced) = &self.replaced {
            moves.extend(old.iter().map(|table| (name(&self.target, table), name(replaced, table))));
        }
        moves.extend(new.iter().map(|table| (name(&self.scratch, table), name(&self.target, table))));
        if moves.is_empty() {
            return None;
        }
        let moves: Vec<String> = moves.into_iter().map(|(from, to)| format!("{from} TO {to}")).collect();
        Some(format!("RENAME TABLE {}", moves.join(", ")))
    }

    /// Whether any table has moved.
    async fn moved(&self, session: &mut Session) -> Result<bool> {
        if let Some(replaced) = &self.replaced
            && !there(session, replaced).await?.is_empty()
        {
            return Ok(true);
        }
        let scratch = there(session, &self.scratch).await?;
        Ok(self.new.tables.iter().any(|table| !scratch.contains(table)))
    }

    /// Everything after the exchange. What is there already is made anew, so that it can be begun at any place. Returns
    /// what could not be given of what the restored objects were to bring with them.
    async fn finish(&self, session: &mut Session) -> Result<Vec<String>> {
        self.stage(session, Stage::Making).await?;
        if let Some(state) = &self.fence {
            session.keep_out(state).await?;
        }
        self.rest(session).await?;
        let alter = format!(
            "ALTER DATABASE {}{}",
            quote::identifier(Engine::Mysql, &self.target),
            properties_sql(&self.new_properties, session.flavour())
        );
        pieces::run(session, &alter).await?;
        pieces::enter(session, &self.target).await?;
        pieces::clear(session, &self.new.pieces).await?;
        // What is left of the old ones is broken: nothing but its text is lost, which the log has.
        for view in self.old.views.iter().filter(|view| !self.new.views.contains(view)) {
            pieces::run(session, &format!("DROP VIEW IF EXISTS {}", quote::identifier(Engine::Mysql, view)))
                .await?;
        }
        for default in &self.new.defaults {
            pieces::run(session, default).await?;
        }
        pieces::make(session, &self.new.pieces).await?;
        for statement in &self.last {
            let statement = run::fitting(statement.into(), session.flavour());
            pieces::run(session, &statement).await?;
        }
        privileges::give(session, &self.grants).await?;
        let refused = privileges::give(session, &self.new_grants).await?;
        if let Some(replaced) = &self.replaced {
            pieces::enter(session, replaced).await?;
            pieces::clear(session, &self.old.pieces).await?;
            for default in &self.old.defaults {
                pieces::run(session, default).await?;
            }
            // What was broken before, such as a view whose table is gone, is kept from nobody by failing here.
            pieces::make_what_can_be(session, &pieces::asleep(&self.old.pieces), replaced).await?;
        }
        self.drop_empty(session, &self.scratch).await?;
        self.stage(session, Stage::Ending).await?;
        self.end(session).await?;
        Ok(refused)
    }

    /// Moves what a server whose renames are not atomic has left behind.
    async fn rest(&self, session: &mut Session) -> Result<()> {
        let scratch = there(session, &self.scratch).await?;
        let new: Vec<String> =
            self.new.tables.iter().filter(|table| scratch.contains(table)).cloned().collect();
        let old = match &self.replaced {
            Some(replaced) => {
                let gone = there(session, replaced).await?;
                self.old.tables.iter().filter(|table| !gone.contains(table)).cloned().collect()
            }
            None => Vec::new(),
        };
        session.execute("SET foreign_key_checks = 1").await?;
        lenient::rename(session).await?;
        match self.rename(&old, &new) {
            Some(sql) => Ok(session.batch(&sql, "cannot exchange the tables").await?),
            None => Ok(()),
        }
    }

    async fn end(&self, session: &mut Session) -> Result<()> {
        if let Some(state) = &self.fence {
            session.lift_fence(state).await?;
        }
        session.end_swap(&self.target, &self.publish).await?;
        Ok(())
    }

    /// Makes again what was removed. The journal stays as it is.
    async fn back(&self, session: &mut Session) -> Result<()> {
        self.stage(session, Stage::Back).await?;
        match &self.replaced {
            Some(replaced) => {
                self.drop_empty(session, replaced).await?;
                pieces::enter(session, &self.target).await?;
                pieces::clear(session, &self.old.pieces).await?;
                pieces::make_what_can_be(session, &self.old.pieces, &self.target).await?;
                privileges::give(session, &self.grants).await?;
            }
            None => self.drop_empty(session, &self.target).await?,
        }
        if let Some(state) = &self.fence {
            session.lift_fence(state).await?;
        }
        session.end_swap(&self.target, &[]).await?;
        Ok(())
    }

    /// Removes a database of ours that holds no table any more.
    async fn drop_empty(&self, session: &mut Session, name: &str) -> Result<()> {
        if let Some(table) = there(session, name).await?.first() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the database `{name}` still holds the table `{table}`, so it is not removed"),
            )
            .with_hint("look at both databases; the next command tries again"));
        }
        pieces::run(session, &format!("DROP DATABASE IF EXISTS {}", quote::identifier(Engine::Mysql, name)))
            .await
    }
}
