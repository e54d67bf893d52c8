//! Restoring within the target, where the account may make no database beside it: the archive's tables are loaded and proven
//! under other names, exchanged for those that are there by one `RENAME TABLE`, and what no rename moves is made again.
//!
//! Until all of it is there and proven, the replaced tables stay, and whoever comes after a failure or a kill exchanges them
//! back. Only then they go, each after a look that its rows are those of the backup that was made first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use database::mysql::{Connection, Server, Session, catalog};
use database::{Engine, Entry, Fence as _, FenceState, Kind, Object, ObjectId, TableDigest, quote};
use serde::{Deserialize, Serialize};

use super::definers::Definers;
use super::load::{Load, worker};
use super::pieces::{self, Piece};
use super::renamed::{Renamed, Texts, old_name};
use super::scratch::{self, properties_sql};
use super::swap::{self, Side};
use super::{beside, globals, order, privileges, prove, read_back, replaced_tables, run};
use crate::archive::Archive;
use crate::mysql::dump::{Properties, properties};
use crate::mysql::history;
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::{Error, ErrorKind, Result};

/// How far it is, as it is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Tables are made under other names, or removed again: the target itself is as it was.
    Loading,
    /// What no rename moves is removed, the tables are exchanged, and all of it is made again.
    Changing,
    /// All is there and proven: what was replaced goes.
    Dropping,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Changing => "changing",
            Self::Dropping => "dropping",
        }
    }
}

/// All that a restore in place needs to be finished or undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) target: String,
    pub(super) when: DateTime<Utc>,
    pub(super) renamed: Renamed,
    /// What stands in the target, before.
    pub(super) old: Side,
    /// What is made beside tables, by name alone.
    pieces: Vec<Piece>,
    /// What makes it.
    later: Vec<String>,
    defaults: Vec<String>,
    /// What wakes it up.
    last: Vec<String>,
    old_properties: Properties,
    new_properties: Properties,
    grants: Vec<String>,
    fence: Option<FenceState>,
    /// What the backup holds of each table that is replaced.
    pub(super) kept: BTreeMap<String, TableDigest>,
    publish: Vec<Entry>,
}

/// Restores an archive in the server's database; `kept` is what the backup of it holds that was made first, and `publish`
/// becomes the journal of its runs when all is done.
///
/// # Errors
/// What failed; the target is as it was, unless the connection broke: then [`settle`](super::settle) finishes or undoes it.
pub(crate) async fn in_place(
    archive: &Archive,
    server: &Server,
    (kept, publish): (&BTreeMap<ObjectId, TableDigest>, &[Entry]),
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let place = Place { archive, server, options, progress };
    Box::pin(globals::around(archive, server, (options, progress), place.run(kept, publish))).await
}

struct Place<'a> {
    archive: &'a Archive,
    server: &'a Server,
    options: &'a RestoreOptions,
    progress: &'a dyn Progress,
}

impl Place<'_> {
    async fn run(&self, kept: &BTreeMap<ObjectId, TableDigest>, publish: &[Entry]) -> Result<()> {
        let target = self.server.database();
        let mut session = self.server.session().await?;
        swap::unfinished(&mut session, target).await?;
        let definers = Definers::of(self.options);
        let renamed = Renamed::default();
        let mut load =
            Load { archive: self.archive, progress: self.progress, definers: Some(definers), renamed };
        let order = order::order(&self.archive.index().parts);
        let (before, after) = (load.text(&order.before).await?, load.text(&order.after).await?);
        let texts = Texts::read(&before, &after, definers, session.flavour())?;
        let (last, new_properties) = beside::ending(self.archive, self.options, self.progress).await?;
        let mut connection = self.server.connect(None).await?;
        let old_properties = properties(&mut connection, target).await?;
        let grants = privileges::of_routines(&mut connection, target).await;
        let there = swap::tables(&mut connection, target).await?;
        connection.close().await;
        are_free(&there, &texts.renamed)?;
        load.renamed = texts.renamed.clone();
        let mut plan = Plan {
            target: target.to_owned(),
            when: Utc::now(),
            renamed: texts.renamed.clone(),
            old: Side::default(),
            pieces: pieces::named(self.archive.index()),
            later: texts.later.clone(),
            defaults: Vec::new(),
            last,
            old_properties,
            new_properties,
            grants,
            fence: None,
            kept: kept.iter().map(|(id, digest)| (id.name.clone(), *digest)).collect(),
            publish: publish.to_vec(),
        };
        plan.begin(&mut session, Stage::Loading).await?;
        let loaded = tokio::select! {
            loaded = self.load(&load, &order, &texts, &mut plan) => loaded,
            () = self.options.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "the restore was stopped on request; nothing was changed"))
            }
        };
        let ready = match loaded {
            Ok(()) => self.others_gone().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            return Err(and(error, plan.discard(&mut session).await));
        }
        if pieces::act(&plan.old.pieces) || pieces::act(&plan.pieces) {
            plan.fence = swap::fence(&mut session).await;
        }
        plan.begin(&mut session, Stage::Changing).await?;
        let changed = match plan.change(&mut session, Some((self.server, self.options.disconnect))).await {
            Ok(()) => self.prove(&load, &order, &plan).await,
            Err(error) => Err(error),
        };
        match changed {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Connection => return Err(error),
            Err(error) => return Err(and(error, plan.back(&mut session).await)),
        }
        for kept in plan.finish(&mut session, self.server).await? {
            self.progress.note(&kept);
        }
        self.progress.done();
        Ok(())
    }

    /// Fills the tables under their other names and proves their rows; sees what is to be exchanged for them.
    async fn load(
        &self,
        load: &Load<'_>,
        order: &order::Order,
        texts: &Texts,
        plan: &mut Plan,
    ) -> Result<()> {
        let extras = super::extras(self.archive)?;
        let mut workers = Vec::new();
        for _ in 0..self.options.jobs.max(1) {
            workers.push(worker(self.server, self.server.database(), extras.history).await?);
        }
        Box::pin(load.tables(&mut workers, order, texts)).await?;
        self.progress.phase("proof", None);
        let originals = plan.renamed.originals();
        let mut reader = self.server.connect(None).await?;
        let mut schema = catalog::read(&mut reader, self.server.database()).await?;
        originals.only(&mut schema);
        if extras.no_history {
            history::leave_out(&mut schema)?;
        }
        Box::pin(read_back::all(&mut workers, &schema, self.archive.index(), &originals)).await?;
        if self.options.analyze {
            self.progress.phase("statistics", None);
            scratch::analyze(&mut workers, &schema).await?;
        }
        plan.defaults = pieces::defaults(&schema).iter().map(|text| originals.text(text)).collect();
        for worker in workers {
            worker.close().await;
        }
        let made: BTreeSet<&String> = plan.renamed.tables.values().collect();
        let mut old = swap::side(&mut reader, self.server.database()).await?;
        old.tables.retain(|table| !made.contains(table));
        old.defaults.retain(|default| !made.iter().any(|made| default.contains(&quoted(made))));
        reader.close().await;
        plan.old = old;
        Ok(())
    }

    async fn others_gone(&self) -> Result<()> {
        if !self.options.disconnect {
            return match self.server.others().await?.first() {
                None => Ok(()),
                Some(one) => Err(Error::new(
                    ErrorKind::Busy,
                    format!("`{}` is in use by {} from {}", self.server.database(), one.account, one.address),
                )
                .with_hint("end those sessions, or let them be ended with --disconnect")),
            };
        }
        match self.server.end_those_there().await {
            // Whoever may not be ended waits at the exchange, or the exchange for him.
            Err(error) if error.kind() == database::ErrorKind::Permission => {
                tracing::info!(%error, "others stay connected");
                Ok(())
            }
            ended => Ok(ended?),
        }
    }

    /// Compares what is in the target now with the archive: its objects, and their texts where the server prints them alike.
    async fn prove(&self, load: &Load<'_>, order: &order::Order, plan: &Plan) -> Result<()> {
        let index = self.archive.index();
        let (target, originals) = (self.server.database(), plan.renamed.originals());
        let mut reader = self.server.connect(None).await?;
        let mut schema = catalog::read(&mut reader, target).await?;
        let same_server = super::same_version(self.archive, &reader);
        reader.close().await;
        if super::extras(self.archive)?.no_history {
            history::leave_out(&mut schema)?;
        }
        plan.without_old(&mut schema);
        for object in &mut schema.objects {
            if !object.id.of.is_empty() {
                object.id = originals.of(&object.id);
            }
            object.definition = originals.text(&object.definition);
        }
        // All of them stand together; by their own names they stand in another order.
        let is_key = |object: &Object| object.id.kind == Kind::ForeignKey;
        if let Some(first) = schema.objects.iter().position(is_key) {
            let number = schema.objects[first..].iter().take_while(|object| is_key(object)).count();
            schema.objects[first..first + number].sort_by(|a, b| a.id.cmp(&b.id));
        }
        prove::objects(&schema, index)?;
        scratch::names_itself_only(&schema, &self.archive.head().database, target)?;
        if same_server && !index.partial && Definers::of(self.options).keeps() {
            prove::definitions(&schema, load, order).await?;
        }
        Ok(())
    }
}

/// Refuses where a name is taken that is needed for the exchange.
fn are_free(there: &[String], renamed: &Renamed) -> Result<()> {
    let made: BTreeSet<String> =
        renamed.tables.values().cloned().chain(there.iter().map(|table| old_name(table))).collect();
    match there.iter().find(|table| made.contains(*table)) {
        None => Ok(()),
        Some(table) => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "there is a table `{table}`, by whose name another one has to be known while it is exchanged"
            ),
        )
        .with_hint("rename or drop that table first")),
    }
}

impl Plan {
    /// Finishes or undoes what was interrupted.
    pub(super) async fn settle(&self, session: &mut Session, stage: &str) -> Result<()> {
        match serde_json::from_value(stage.into()) {
            Ok(Stage::Loading) => self.discard(session).await,
            Ok(Stage::Changing) => self.back(session).await,
            Ok(Stage::Dropping) => {
                let server = session.server().clone();
                for kept in self.finish(session, &server).await? {
                    tracing::warn!("{kept}");
                }
                Ok(())
            }
            Err(cause) => {
                Err(Error::new(ErrorKind::Refused, "the note of a restore in place cannot be read")
                    .with_hint("another version of dbm may have written it: finish with that one")
                    .with_source(cause))
            }
        }
    }

    async fn begin(&self, session: &mut Session, stage: Stage) -> Result<()> {
        let plan = serde_json::to_value(self).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the note of a restore in place has no JSON").with_source(cause)
        })?;
        Ok(session.begin_swap(&self.target, stage.word(), &plan).await?)
    }

    /// Removes what no rename moves, exchanges the tables, and makes the rest.
    async fn change(&self, session: &mut Session, others: Option<(&Server, bool)>) -> Result<()> {
        if let Some(state) = &self.fence {
            session.raise_fence(state).await?;
        }
        pieces::enter(session, &self.target).await?;
        pieces::clear(session, &self.old.pieces).await?;
        let away = self.old.tables.iter().map(|table| (table.clone(), old_name(table)));
        let here = self.renamed.tables.iter().map(|(table, made)| (made.clone(), table.clone()));
        if let Some(sql) = rename_sql(away.chain(here)) {
            swap::rename(session, &sql, others).await?;
        }
        self.properties(session, &self.new_properties).await?;
        pieces::enter(session, &self.target).await?;
        // What is left of the old views is broken: nothing but their text is lost, which the log has.
        pieces::clear(session, &self.pieces).await?;
        for default in &self.defaults {
            pieces::run(session, default).await?;
        }
        for statement in &self.later {
            pieces::run(session, &run::fitting(statement.into(), session.flavour())).await?;
        }
        Ok(())
    }

    async fn properties(&self, session: &mut Session, properties: &Properties) -> Result<()> {
        let sql = properties_sql(properties, session.flavour());
        pieces::run(session, &format!("ALTER DATABASE {}{sql}", quoted(&self.target))).await
    }

    /// Lets what was replaced go, and gives all the names that they are to have. Returns what was kept, for people.
    async fn finish(&self, session: &mut Session, server: &Server) -> Result<Vec<String>> {
        session.stage_swap(&self.target, Stage::Dropping.word()).await?;
        pieces::enter(session, &self.target).await?;
        let kept = replaced_tables::let_go(self, session, server).await?;
        replaced_tables::name_constraints(self, session).await?;
        // Those that were broken before, and whose text the log has.
        let made: BTreeSet<&str> = self.pieces.iter().filter_map(Piece::view).collect();
        for view in self.old.views.iter().filter(|view| !made.contains(view.as_str())) {
            pieces::run(session, &format!("DROP VIEW IF EXISTS {}", quoted(view))).await?;
        }
        for statement in &self.last {
            pieces::run(session, &run::fitting(statement.into(), session.flavour())).await?;
        }
        privileges::give(session, &self.grants).await?;
        if let Some(state) = &self.fence {
            session.lift_fence(state).await?;
        }
        session.end_swap(&self.target, &self.publish).await?;
        Ok(kept)
    }

    /// Exchanges the tables back, as far as they were exchanged, and makes again what was removed. The journal stays as it is.
    async fn back(&self, session: &mut Session) -> Result<()> {
        pieces::enter(session, &self.target).await?;
        pieces::clear(session, &self.pieces).await?;
        let there: BTreeSet<String> = swap::there(session, &self.target).await?.into_iter().collect();
        let was = |table: &String| self.old.tables.contains(table);
        let here = self.renamed.tables.iter().filter(|(table, made)| {
            let stands_there = there.contains(*table) && (!was(table) || there.contains(&old_name(table)));
            stands_there && !there.contains(*made)
        });
        let here = here.map(|(table, made)| (table.clone(), made.clone()));
        let away = self.old.tables.iter().map(|table| (old_name(table), table.clone()));
        let away = away.filter(|(old, _)| there.contains(old));
        if let Some(sql) = rename_sql(here.chain(away)) {
            swap::rename(session, &sql, None).await?;
        }
        self.properties(session, &self.old_properties).await?;
        pieces::enter(session, &self.target).await?;
        pieces::clear(session, &self.old.pieces).await?;
        for default in &self.old.defaults {
            pieces::run(session, default).await?;
        }
        pieces::make_what_can_be(session, &self.old.pieces, &self.target).await?;
        privileges::give(session, &self.grants).await?;
        if let Some(state) = &self.fence {
            session.lift_fence(state).await?;
        }
        session.stage_swap(&self.target, Stage::Loading.word()).await?;
        self.discard(session).await
    }

    /// Removes the tables that were made under other names, which no other table has anything to do with.
    async fn discard(&self, session: &mut Session) -> Result<()> {
        replaced_tables::end_loaders(self, session).await?;
        pieces::enter(session, &self.target).await?;
        for made in self.renamed.tables.values() {
            pieces::run(session, &format!("DROP TABLE IF EXISTS {}", quoted(made))).await?;
        }
        Ok(session.end_swap(&self.target, &[]).await?)
    }

    /// Takes what was replaced out of a schema.
    fn without_old(&self, schema: &mut database::Schema) {
        let old: BTreeSet<String> = self.old.tables.iter().map(|table| old_name(table)).collect();
        schema.objects.retain(|object| !old.contains(&object.id.name) && !old.contains(&object.id.of));
    }
}

/// The one statement that gives tables other names; none for none.
fn rename_sql(pairs: impl Iterator<Item = (String, String)>) -> Option<String> {
    let moves: Vec<String> =
        pairs.map(|(from, to)| format!("{} TO {}", quoted(&from), quoted(&to))).collect();
    (!moves.is_empty()).then(|| format!("RENAME TABLE {}", moves.join(", ")))
}

/// An error, and what undoing it gave.
fn and(error: Error, undone: Result<()>) -> Error {
    match undone {
        Ok(()) => error,
        Err(second) => Error::new(second.kind(), format!("{error}; and {second}")).with_source(error),
    }
}

pub(super) fn quoted(name: &str) -> String {
    quote::identifier(Engine::Mysql, name)
}

/// For a connection that reads rows.
pub(super) async fn reader(server: &Server) -> Result<Connection> {
    let mut connection = server.connect(None).await?;
    connection.batch(database::mysql::rows::ROW_SESSION, "cannot set a session up").await?;
    Ok(connection)
}
