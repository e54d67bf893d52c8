use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, Row};

use super::Detail;
use super::sql::{get, ident};
use crate::postgres;
use crate::{Kind, NotCarried, Object, ObjectId, Result, Section};

/// The numbers of the catalogs themselves, the same on every server.
pub(super) mod class {
    pub(crate) const TYPE: u32 = 1247;
    pub(crate) const SERVER: u32 = 1417;
    pub(crate) const USER_MAPPING: u32 = 1418;
    pub(crate) const WRAPPER: u32 = 2328;
    pub(crate) const ACCESS_METHOD: u32 = 2601;
    pub(crate) const CAST: u32 = 2605;
    pub(crate) const CONVERSION: u32 = 2607;
    pub(crate) const LANGUAGE: u32 = 2612;
    pub(crate) const OPERATOR_CLASS: u32 = 2616;
    pub(crate) const OPERATOR: u32 = 2617;
    pub(crate) const OPERATOR_FAMILY: u32 = 2753;
    pub(crate) const COLLATION: u32 = 3456;
    pub(crate) const TRANSFORM: u32 = 3576;
    pub(crate) const DICTIONARY: u32 = 3600;
    pub(crate) const PARSER: u32 = 3601;
    pub(crate) const CONFIGURATION: u32 = 3602;
    pub(crate) const TEMPLATE: u32 = 3764;
    pub(crate) const PROC: u32 = 1255;
    pub(crate) const CLASS: u32 = 1259;
    pub(crate) const ATTRDEF: u32 = 2604;
    pub(crate) const CONSTRAINT: u32 = 2606;
    pub(crate) const LARGE_OBJECT: u32 = 2613;
    pub(crate) const NAMESPACE: u32 = 2615;
    pub(crate) const REWRITE: u32 = 2618;
    pub(crate) const TRIGGER: u32 = 2620;
    pub(crate) const EXTENSION: u32 = 3079;
    pub(crate) const EVENT_TRIGGER: u32 = 3466;
    pub(crate) const POLICY: u32 = 3256;
    pub(crate) const STATISTICS: u32 = 3381;
    pub(crate) const SUBSCRIPTION: u32 = 6100;
    pub(crate) const PUBLICATION: u32 = 6104;
    pub(crate) const PUBLICATION_TABLE: u32 = 6106;
    pub(crate) const PUBLICATION_NAMESPACE: u32 = 6237;
    /// No catalog: statements of their own about an object of another.
    pub(crate) const NONE: u32 = 0;
}

/// A catalog and the row's number in it.
pub(super) type Key = (u32, u32);

/// An object on its way into the schema.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) object: Object,
    /// What stands after COMMENT ON and ALTER: `TABLE "a"."b"`.
    pub(super) target: String,
    /// What stands after GRANT … ON, where it takes privileges.
    pub(super) grant_on: String,
    /// The places of those that must be there before it.
    pub(super) needs: BTreeSet<usize>,
    /// The object whose definition holds this one's, as a table's does a default's.
    pub(super) part_of: Option<usize>,
    /// How the definition is put together once it is known what is a part of it.
    pub(super) text: Text,
}

/// The text of a definition.
#[derive(Debug)]
pub(super) enum Text {
    /// It is in the object already.
    Whole,
    /// Pieces, some of which are parts that may be a statement of their own.
    Pieces(Box<Pieces>),
    /// A view: its columns without a body, and the statement that gives it one; the types of its columns.
    View { dummy: String, body: String, types: Vec<u32> },
}

/// A definition with a list in it. Each entry ends where the next begins; of no entries, no list is written.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) head: String,
    pub(super) entries: Vec<Entry>,
    /// Whether the entries stand in parentheses with commas between.
    pub(super) list: bool,
    /// Whether a list without entries is left away: the columns are those of a type.
    pub(super) typed: bool,
    pub(super) tail: String,
    /// Statements of their own after it, and what ends it after those.
    pub(super) steps: Vec<Entry>,
    pub(super) end: String,
}

/// What stands between the entries of a list.
pub(super) const BETWEEN: &str = ",\n    ";

impl Pieces {
    /// With the entries of a list that are no parts in one, since of thousands of tables each text takes its room.
    pub(super) fn joined(mut self) -> Self {
        let mut joined: Vec<Entry> = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            match joined.last_mut() {
                _ if entry.part.is_none() && entry.before.is_empty() && entry.after.is_empty() => {}
                Some(last) if last.part.is_none() && entry.part.is_none() => {
                    for text in [BETWEEN, &entry.before, &entry.after] {
                        last.before.push_str(text);
                    }
                }
                _ => {
                    let Entry { mut before, part, mut after } = entry;
                    if part.is_none() {
                        before.push_str(&std::mem::take(&mut after));
                    }
                    joined.push(Entry { before, part, after });
                }
            }
        }
        joined.shrink_to_fit();
        self.entries = joined;
        self
    }
}

/// An entry of a list: text, then the part's if it still is one, then more text.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) before: String,
    pub(super) part: Option<(usize, String)>,
    pub(super) after: String,
}

/// What has been read so far.
pub(super) struct Reader<'c> {
    pub(super) client: &'c Client,
    /// As in 150018.
    pub(super) version: i32,
    /// Whether passwords that are part of the database go into the definitions.
    pub(super) secrets: bool,
    /// Whether objects are kept without their texts.
    pub(super) bare: bool,
    pub(super) nodes: Vec<Node>,
    pub(super) places: HashMap<Key, usize>,
    /// Rows that stand for another object: a row type for its table, an array for its element.
    pub(super) alias: HashMap<Key, Key>,
    /// Members of extensions.
    pub(super) members: HashMap<Key, u32>,
    pub(super) namespaces: HashMap<String, usize>,
    /// The attachments of partitions, and the parent's number.
    pub(super) attach: Vec<(usize, u32)>,
    /// Types, and where their names are made before their functions.
    pub(super) shells: Vec<(usize, usize)>,
    /// Triggers that a partition has from its parent, and their numbers.
    pub(super) clones: Vec<(usize, u32)>,
    pub(super) refused: Vec<NotCarried>,
    pub(super) left_out: Vec<NotCarried>,
}

impl<'c> Reader<'c> {
    pub(super) async fn new(client: &'c Client, detail: Detail) -> Result<Self> {
        let mut reader = Self {
            client,
            version: 0,
            secrets: detail == Detail::Secrets,
            bare: detail == Detail::Contents,
            nodes: Vec::new(),
            places: HashMap::new(),
            alias: HashMap::new(),
            members: HashMap::new(),
            namespaces: HashMap::new(),
            attach: Vec::new(),
            shells: Vec::new(),
            clones: Vec::new(),
            refused: Vec::new(),
            left_out: Vec::new(),
        };
        let rows =
            reader.rows("version", "SELECT current_setting('server_version_num')::int4 AS version").await?;
        if let Some(row) = rows.first() {
            reader.version = get(row, "version")?;
        }
        Ok(reader)
    }

    /// The rows of a query about a kind of object.
    pub(super) async fn rows(&self, kind: &str, sql: &str) -> Result<Vec<Row>> {
        self.client
            .query(sql, &[])
            .await
            .map_err(|error| postgres::error(error, format_args!("cannot read the {kind} from the catalogs")))
    }

    /// One text or the other, by the server's version.
    pub(super) fn since<'t>(&self, major: i32, then: &'t str, otherwise: &'t str) -> &'t str {
        if self.version >= major * 10_000 { then } else { otherwise }
    }

    pub(super) fn is_member(&self, class: u32, oid: u32) -> bool {
        self.members.contains_key(&(class, oid))
    }

    /// Takes an object in.
    pub(super) fn add(&mut self, key: Key, mut node: Node) -> usize {
        if self.bare {
            node.strip();
        }
        let place = self.nodes.len();
        if key.0 != class::NONE {
            self.places.insert(key, place);
        }
        self.nodes.push(node);
        place
    }

    /// Says of what pieces an object's definition is.
    pub(super) fn put_pieces(&mut self, place: usize, pieces: Pieces) {
        if !self.bare {
            self.nodes[place].text = Text::Pieces(Box::new(pieces));
        }
    }

    /// The object that a row of the catalogs is of.
    pub(super) fn find(&self, mut key: Key) -> Option<usize> {
        // Chains are short: an array of a row type of a table.
        for _ in 0..8 {
            if let Some(&place) = self.places.get(&key) {
                return Some(place);
            }
            if let Some(extension) = self.members.get(&key) {
                return self.places.get(&(class::EXTENSION, *extension)).copied();
            }
            key = *self.alias.get(&key)?;
        }
        None
    }

    /// Where changes of what comes with the server stand: at namespace `pg_catalog`, which nothing makes.
    pub(super) fn pg_catalog(&mut self) -> usize {
        let own = id(Kind::Namespace, "", "", "pg_catalog");
        let there = self.nodes.iter().position(|node| node.object.id == own);
        there.unwrap_or_else(|| {
            let node = Node::new(own, Section::PreData, String::new(), String::new());
            self.add((class::NONE, 0), node)
        })
    }

    /// Refuses what anything may need.
    pub(super) fn refuse(&mut self, what: impl Into<String>, why: &str) {
        self.refused.push(NotCarried::new(what, why));
    }

    /// Refuses what is or belongs to an object: who does not want that one does not miss it.
    pub(super) fn refuse_of(&mut self, of: ObjectId, what: impl Into<String>, why: &str) {
        self.refused.push(NotCarried { of: Some(of), ..NotCarried::new(what, why) });
    }

    pub(super) fn leave_out(&mut self, what: impl Into<String>, why: &str) {
        self.left_out.push(NotCarried::new(what, why));
    }
}

/// Hands on the rows of a query about a kind of object as they come: of some there are many times as many as tables,
/// and all of them at once would take more memory than what is kept of them.
pub(super) async fn each(
    client: &Client,
    kind: &str,
    sql: &str,
    mut take: impl FnMut(&Row) -> Result<()>,
) -> Result<()> {
    let failed = |error| postgres::error(error, format_args!("cannot read the {kind} from the catalogs"));
    let no_parameters: [&str; 0] = [];
    let mut rows = std::pin::pin!(client.query_raw(sql, no_parameters).await.map_err(failed)?);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        take(&row)?;
    }
    Ok(())
}

/// The identity of an object.
pub(super) fn id(kind: Kind, namespace: &str, of: &str, name: &str) -> ObjectId {
    ObjectId { kind, namespace: namespace.to_owned(), of: of.to_owned(), name: name.to_owned() }
}

impl Node {
    /// An object with a definition and without an owner.
    pub(super) fn new(id: ObjectId, section: Section, target: String, definition: String) -> Self {
        let object = Object {
            id,
            section,
            definition,
            owner: None,
            comments: Vec::new(),
            privileges: Vec::new(),
            depends_on: Vec::new(),
            table: None,
        };
        let (grant_on, text) = (target.clone(), Text::Whole);
        Self { object, target, grant_on, needs: BTreeSet::new(), part_of: None, text }
    }

    /// Lets go of all texts.
    pub(super) fn strip(&mut self) {
        (self.target, self.grant_on) = (String::new(), String::new());
        let object = &mut self.object;
        (object.definition, object.owner) = (String::new(), None);
        (object.comments, object.privileges) = (Vec::new(), Vec::new());
    }

    pub(super) fn owned(mut self, owner: &str) -> Self {
        self.object.owner = Some(format!("ALTER {} OWNER TO {};\n", self.target, ident(owner)));
        self
    }

    pub(super) fn granted_on(mut self, word: &str, name: &str) -> Self {
        self.grant_on = format!("{word} {name}");
        self
    }

    pub(super) fn needing(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.needs.extend(places);
        self
    }
}
