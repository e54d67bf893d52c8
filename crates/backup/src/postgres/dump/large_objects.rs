//! Large objects: what is in them, piece by piece, so that none is ever held whole.

use database::{Kind, ObjectId, Section, TableDigest, postgres};
use futures_util::future::BoxFuture;
use tokio_postgres::Client;

use crate::archive::{Aspect, PART_BYTES, RawPart};
use crate::{Error, ErrorKind, Result};

/// The bytes that one statement writes; as hex in the script twice as many. The digest is made of the same pieces.
const PIECE: i32 = 256 << 10;
/// How many large objects one query reads the first piece of.
const BATCH: i64 = 16;

/// Those that the account may not read, the first ones.
const UNREADABLE: &str = "\
SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m
WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
  AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
  AND NOT pg_catalog.current_setting('lo_compat_privileges')::boolean
  AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                    AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
ORDER BY m.oid LIMIT 21";

/// How many there are.
///
/// # Errors
/// [`ErrorKind::Permission`] with the numbers of those that the account may not read.
pub(super) async fn count(client: &Client) -> Result<u64> {
    let failed = |error| postgres::error(error, "cannot count the large objects");
    let count = number(client).await?;
    let unreadable: Vec<ObjectId> =
        client.query(UNREADABLE, &[]).await.map_err(failed)?.iter().map(|row| id(row.get(0))).collect();
    if unreadable.is_empty() {
        return Ok(count);
    }
    let what = format!("the account may not read {}", super::relations::list(&unreadable));
    Err(Error::new(ErrorKind::Permission, what)
        .with_hint("grant SELECT ON LARGE OBJECT to the account, or back up as the owner or as a superuser"))
}

/// How many there are, readable or not.
pub(crate) async fn number(client: &Client) -> Result<u64> {
    let row = client
        .query_one("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata", &[])
        .await
        .map_err(|error| postgres::error(error, "cannot count the large objects"))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
}

/// The identity of the large object of that number.
pub(super) fn id(number: u32) -> ObjectId {
    ObjectId {
        kind: Kind::LargeObject,
        namespace: String::new(),
        of: String::new(),
        name: number.to_string(),
    }
}

/// One large object's piece.
struct Piece<'a> {
    number: u32,
    offset: i64,
    bytes: &'a [u8],
}

/// Takes a piece, and hands on the parts that are full with it.
type Sink<'s> = &'s mut (dyn FnMut(Piece<'_>) -> Option<RawPart> + Send);

/// What all large objects hold, as the transaction sees them: one row of the digest for each and for each piece of it.
pub(crate) async fn digest(client: &Client) -> Result<TableDigest> {
    let mut digest = TableDigest::default();
    let mut add = |piece: Piece<'_>| {
        add_to(&mut digest, &piece);
        None
    };
    each(client, &mut add, &mut |_| Box::pin(async { Ok(()) })).await?;
    Ok(digest)
}

/// All contents as parts of statements, handed to `send`; and their digest. They must follow what makes the objects.
pub(super) async fn contents<'f>(
    client: &Client,
    send: &mut (dyn FnMut(RawPart) -> BoxFuture<'f, Result<()>> + Send),
) -> Result<TableDigest> {
    let mut digest = TableDigest::default();
    let mut open = empty();
    let mut add = |piece: Piece<'_>| {
        add_to(&mut digest, &piece);
        if piece.bytes.is_empty() {
            return None;
        }
        write(&mut open, &piece);
        (open.bytes.len() >= PART_BYTES).then(|| std::mem::replace(&mut open, empty()))
    };
    each(client, &mut add, send).await?;
    if !open.bytes.is_empty() {
        send(open).await?;
    }
    Ok(digest)
}

async fn each<'f>(
    client: &Client,
    add: Sink<'_>,
    send: &mut (dyn FnMut(RawPart) -> BoxFuture<'f, Result<()>> + Send),
) -> Result<()> {
    let failed = |error| postgres::error(error, "cannot read the large objects");
    let first = client
        .prepare(
            "SELECT m.oid, pg_catalog.lo_get(m.oid, 0, $1) FROM pg_catalog.pg_largeobject_metadata m \
             WHERE m.oid > $2 ORDER BY m.oid LIMIT $3",
        )
        .await
        .map_err(failed)?;
    let next = client.prepare("SELECT pg_catalog.lo_get($1, $2, $3)").await.map_err(failed)?;
    let mut last = 0_u32;
    loop {
        let rows = client.query(&first, &[&PIECE, &last, &BATCH]).await.map_err(failed)?;
        for row in &rows {
            let number: u32 = row.get(0);
            last = number;
            let bytes: &[u8] = row.get(1);
            let mut offset = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            if let Some(part) = add(Piece { number, offset: 0, bytes }) {
                send(part).await?;
            }
            while offset > 0 && offset % i64::from(PIECE) == 0 {
                let row = client.query_one(&next, &[&number, &offset, &PIECE]).await.map_err(failed)?;
                let bytes: &[u8] = row.get(0);
                if bytes.is_empty() {
                    break;
                }
                if let Some(part) = add(Piece { number, offset, bytes }) {
                    send(part).await?;
                }
                offset += i64::try_from(bytes.len()).unwrap_or(i64::MAX - offset);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

fn add_to(digest: &mut TableDigest, piece: &Piece<'_>) {
    let mut row = format!("{}\t{}\t", piece.number, piece.offset).into_bytes();
    row.extend_from_slice(piece.bytes);
    digest.add_row(&row);
}

fn write(part: &mut RawPart, piece: &Piece<'_>) {
    let statement = format!("SELECT pg_catalog.lo_put({}, {}, '\\x", piece.number, piece.offset);
    if part.bytes.capacity() == 0 {
        part.bytes.reserve(PART_BYTES + 3 * PIECE as usize);
    }
    part.bytes.extend_from_slice(statement.as_bytes());
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    part.bytes.extend(
        piece.bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
    part.bytes.extend_from_slice(b"');\n");
    let id = id(piece.number);
    if part.objects.last() != Some(&id) {
        part.objects.push(id);
    }
}

fn empty() -> RawPart {
    RawPart {
        section: Section::Data,
        aspect: Aspect::LargeObjects,
        objects: Vec::new(),
        rows: 0,
        bytes: Vec::new(),
        follows: Vec::new(),
    }
}
