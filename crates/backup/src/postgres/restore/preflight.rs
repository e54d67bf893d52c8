//! What is looked at before a restore touches anything.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Result;
use crate::postgres::failed;
use database::postgres::{Connection, Server, properties};
use database::{About, Engine, Kind, ObjectId, quote};

use super::sessions::named;
use crate::archive::{Archive, Aspect, Part};
use crate::postgres::roles::Roles;
use crate::restore::{Finding, Preflight, RestoreOptions, TargetState, Way};

/// Where the archive is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// Into the place of the URL's database.
    IntoTarget,
    /// Into a new database on the same server.
    IntoNew,
    /// Into the URL's database, beside what is there.
    Among,
}

/// Looks at archive, server and target, and changes nothing.
pub(crate) async fn preflight(
    archive: &Archive,
    server: &Server,
    about: &About,
    goes: Goes,
    options: &RestoreOptions,
) -> Result<Preflight> {
    let client = match goes {
        Goes::IntoTarget | Goes::Among => server.quiet(None).await?,
        Goes::IntoNew => server.maintenance_database().await?,
    };
    let roles = roles(archive, goes).await?;
    let mut preflight = Preflight {
        archive_source: archive.index().source.clone(),
        target_source: about.source.clone(),
        target: TargetState::Empty,
        way: Way::Beside,
        missing_roles: {
            let made = super::globals::roles(archive, options)?;
            let mut missing = missing_roles(&client, &roles, options).await?;
            missing.retain(|role| !made.contains(role));
            missing
        },
        missing_extensions: Vec::new(),
        others: Vec::new(),
        attached: Vec::new(),
        prepared: Vec::new(),
        bytes_needed: bytes_needed(archive),
        bytes_free: bytes_free(&client).await?,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    match goes {
        Goes::IntoTarget => {
            preflight.target = state(&client).await?;
            preflight.way = way(&client, server, about).await?;
            preflight.others = if options.disconnect {
                server.others_in(&client, &about.database).await?
            } else {
                server.others_staying_in(&client, &about.database).await?
            };
            preflight.attached = attached(&client).await?;
            preflight.prepared = prepared(&client).await?;
        }
        Goes::Among => preflight.way = Way::InPlace,
        Goes::IntoNew if about.may_create_databases => {}
        Goes::IntoNew => preflight.problems.push(finding(
            format!("`{}` may not create databases", about.account),
            "take a role with CREATEDB; or restore into the database of the URL; or rehearse on another server (--scratch-url)",
        )),
    }
    versions(archive, about, &mut preflight);
    made_like(&client, archive, about, &mut preflight).await?;
    extensions(&client, about, archive, &mut preflight).await?;
    if goes != Goes::Among && options.selection.is_everything() && !archive.index().partial {
        tablespaces(&client, archive, &mut preflight).await?;
    }
    if !options.no_owner {
        strangers(&client, about, &roles, &mut preflight).await?;
    }
    // In place all of it stays as it is.
    if preflight.way != Way::InPlace && !about.superuser && options.selection.is_everything() {
        superusers_work(&client, about, archive, options, &mut preflight).await?;
    }
    judge(about, options, &mut preflight);
    Ok(preflight)
}

fn finding(message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { message: message.into(), hint: Some(hint.into()) }
}

/// Turns what was seen into what stops the restore and what does not.
fn judge(about: &About, options: &RestoreOptions, preflight: &mut Preflight) {
    let database = &about.database;
    let mut problems = Vec::new();
    if !about.may_write {
        problems.push(finding(
            format!("`{database}` cannot be written to: the server is a standby or read-only"),
            "restore on the primary",
        ));
    }
    if !preflight.missing_roles.is_empty() {
        problems.push(finding(
            format!("the server has no role {}", list(&preflight.missing_roles)),
            "create the roles (--globals does, of an archive that has them), or restore with --no-owner --no-privileges",
        ));
    }
    if !preflight.missing_extensions.is_empty() {
        problems.push(finding(
            format!("the server cannot install the extension {}", list(&preflight.missing_extensions)),
            "install the extensions' packages on the server",
        ));
    }
    let foreign = preflight.target == TargetState::Filled && !preflight.same_source();
    if foreign && options.from_source.as_ref() != Some(&preflight.archive_source) {
        problems.push(finding(
            format!(
                "the archive is of {}, and `{database}` ({}) holds something else",
                preflight.archive_source, preflight.target_source
            ),
            format!(
                "restore with --from-source {}, or into a new database with --into NAME",
                preflight.archive_source
            ),
        ));
    }
    if !preflight.others.is_empty() {
        let finding = finding(
            format!("`{database}` is in use by {}", named(&preflight.others)),
            "end those sessions, or let them be ended with --disconnect",
        );
        if options.disconnect { preflight.warnings.push(finding) } else { problems.push(finding) }
    }
    if let Some(finding) = preflight.left_behind() {
        if options.detach_replication { preflight.warnings.push(finding) } else { problems.push(finding) }
    }
    // No option helps: the server renames no database that has one.
    if !preflight.prepared.is_empty() {
        problems.push(finding(
            format!("`{database}` has the prepared transaction {}", list(&preflight.prepared)),
            "end it with COMMIT PREPARED or ROLLBACK PREPARED",
        ));
    }
    if let Some(free) = preflight.bytes_free
        && free < preflight.bytes_needed
    {
        problems.push(finding(
            format!(
                "the server's disk has {free} bytes free, and the restored database needs about {}",
                preflight.bytes_needed
            ),
            "make room, for example by letting go of what was replaced earlier (`dbm replaced`)",
        ));
    }
    if about.superuser {
        preflight.warnings.push(finding(
            format!(
                "`{}` is a superuser: functions and checks in the archive run with all its rights",
                about.account
            ),
            "restore as the role that owns the database, if the archive may come from somebody else",
        ));
    }
    preflight.problems.append(&mut problems);
}

/// The roles that the archive names; of a partial one, those that its statements name.
async fn roles(archive: &Archive, goes: Goes) -> Result<Roles> {
    let mut roles = super::extras(archive)?.roles;
    if archive.index().partial {
        let (mut owners, mut others) = (String::new(), String::new());
        for (number, part) in (0..).zip(&archive.index().parts) {
            let text = match part.aspect {
                Aspect::Owner => &mut owners,
                Aspect::Privileges => &mut others,
                _ if part.objects.iter().any(|id| id.kind == Kind::Policy) => &mut others,
                _ => continue,
            };
            text.push_str(&String::from_utf8_lossy(&archive.part(number).await?));
        }
        let named = |text: &str, name: &String| text.contains(&quote::identifier(Engine::Postgres, name));
        roles.owners.retain(|name| named(&owners, name));
        roles.given.retain(|name| named(&owners, name));
        roles.public = roles.public.filter(|name| named(&owners, name));
        roles.grantees.retain(|name| named(&others, name));
        roles.others.retain(|name| named(&others, name));
    }
    if goes != Goes::Among {
        let properties = super::properties(archive, &RestoreOptions::default())?;
        roles.owners.extend(properties.owner.clone());
        roles.grantees.extend(properties.without(true, false).roles().into_iter().map(str::to_owned));
    }
    Ok(roles)
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// An archive restores into its own major version and into newer ones.
fn versions(archive: &Archive, about: &About, preflight: &mut Preflight) {
    let head = archive.head();
    if head.engine != Engine::Postgres {
        preflight.problems.push(finding(
            format!("the archive is of {}, and `{}` is of {}", head.engine, about.database, about.engine),
            "choose a database of the same engine",
        ));
        return;
    }
    let (from, to) = (major(&head.server_version), major(&about.server_version));
    if from > to {
        preflight.problems.push(finding(
            format!(
                "the archive is of PostgreSQL {}, newer than the server's {}",
                head.server_version, about.server_version
            ),
            format!("restore on a server of version {from} or newer"),
        ));
    }
}

/// Whether the server can make a database with the archive's encoding and locale.
async fn made_like(
    client: &Connection,
    archive: &Archive,
    about: &About,
    preflight: &mut Preflight,
) -> Result<()> {
    let wanted = super::properties(archive, &RestoreOptions::default())?;
    if preflight.way == Way::InPlace {
        if let Some((needed, room)) = too_many_locks(client, archive).await? {
            preflight.problems.push(finding(
                format!(
                    "a restore in place is one transaction, which would lock about {needed} relations, and the server \
                     has room for {room} locks"
                ),
                "raise max_locks_per_transaction on the server, or restore as a role that may create databases",
            ));
        }
        let found = properties::read(client, &about.database).await?;
        if (&wanted.encoding, &wanted.collate, &wanted.ctype)
            != (&found.encoding, &found.collate, &found.ctype)
        {
            preflight.problems.push(finding(
                format!(
                    "the archive is of a database in {} with {}, and `{}` is in {} with {}",
                    wanted.encoding, wanted.collate, about.database, found.encoding, found.collate
                ),
                "restore as a role that may create databases, so that a new one can be made",
            ));
        }
        return Ok(());
    }
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_char_to_encoding($1) >= 0,
                    $2 IN ('C', 'POSIX')
                    OR EXISTS (SELECT FROM pg_catalog.pg_database WHERE $2 IN (datcollate, datctype))
                    OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE $2 IN (collcollate, collctype))",
            &[&wanted.encoding, &wanted.collate],
        )
        .await
        .map_err(|error| failed(error, "cannot look the locale up"))?;
    let [encoding, locale]: [bool; 2] = [row.get(0), row.get(1)];
    if !encoding {
        preflight.problems.push(finding(
            format!("the server does not know the encoding {}", wanted.encoding),
            "restore on a server that does",
        ));
    }
    if !locale {
        preflight.warnings.push(finding(
            format!(
                "the server lists no locale `{}`; whether it has it shows when the new database is made",
                wanted.collate
            ),
            "install the locale on the server's machine if that fails",
        ));
    }
    Ok(())
}

/// Whether the server has the tablespaces of the database and of what is in it.
async fn tablespaces(client: &Connection, archive: &Archive, preflight: &mut Preflight) -> Result<()> {
    let mut wanted = super::extras(archive)?.tablespaces;
    if preflight.way == Way::Beside {
        wanted.insert(super::properties(archive, &RestoreOptions::default())?.tablespace);
    }
    let wanted: Vec<&String> = wanted.iter().collect();
    let rows = client
        .query(
            "SELECT name FROM unnest($1::text[]) name
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname = name) ORDER BY name",
            &[&wanted],
        )
        .await
        .map_err(|error| failed(error, "cannot look the tablespaces up"))?;
    for row in rows {
        preflight.problems.push(finding(
            format!("the server has no tablespace `{}`", row.get::<_, String>(0)),
            "create it on the server's machine: CREATE TABLESPACE",
        ));
    }
    Ok(())
}

/// About how many relations a restore in place drops and makes, and how many locks the server has, if that is less.
async fn too_many_locks(client: &Connection, archive: &Archive) -> Result<Option<(u64, u64)>> {
    let row = client
        .query_one(
            "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence <> 't'),
                    pg_catalog.current_setting('max_locks_per_transaction')::bigint *
                    (pg_catalog.current_setting('max_connections')::bigint +
                     pg_catalog.current_setting('max_prepared_transactions')::bigint)",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot count the relations"))?;
    let [dropped, room]: [u64; 2] =
        [row.get::<_, i64>(0), row.get(1)].map(|n| u64::try_from(n).unwrap_or_default());
    let kinds = [Kind::Table, Kind::Index, Kind::Sequence, Kind::View, Kind::MaterializedView];
    let made: u64 = kinds.iter().filter_map(|kind| archive.index().kinds.get(kind)).sum();
    let needed = dropped.saturating_add(made);
    // Its tables have more room than they promise, which they share with others.
    Ok((needed > room + room / 10).then_some((needed, room)))
}

fn major(version: &str) -> u32 {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(u32::MAX)
}

/// How a restore takes the place of the server's database: beside it; or in it, where this account may not create
/// databases, does not own it, or may not end somebody's session, with which no database is renamed.
pub(crate) async fn way(client: &Connection, server: &Server, about: &About) -> Result<Way> {
    let owner: bool = client
        .query_one(
            "SELECT pg_has_role(datdba, 'MEMBER') FROM pg_catalog.pg_database WHERE datname = current_database()",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot read who owns the database"))?
        .get(0);
    if !about.may_create_databases || !owner {
        return Ok(Way::InPlace);
    }
    let above = server.others_above_in(client, &about.database).await?;
    Ok(if above.is_empty() { Way::Beside } else { Way::InPlace })
}

/// Whether anything is in the database that is neither the system's, nor an extension's, nor dbm's journal.
pub(crate) async fn state(client: &Connection) -> Result<TargetState> {
    let filled: bool = client
        .query_one(
            "WITH own AS (SELECT oid FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspname <> 'dbm'
                          AND nspname !~ '^pg_(toast_)?temp_'),
                  outer_ns AS (SELECT oid FROM own UNION SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public'),
                  member AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e')
             SELECT EXISTS (SELECT FROM own)
                 OR EXISTS (SELECT FROM pg_catalog.pg_class o JOIN outer_ns n ON n.oid = o.relnamespace
                            WHERE ('pg_class'::regclass, o.oid) NOT IN (SELECT classid, objid FROM member))
                 OR EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN outer_ns n ON n.oid = o.pronamespace
                            WHERE ('pg_proc'::regclass, o.oid) NOT IN (SELECT classid, objid FROM member))
                 OR EXISTS (SELECT FROM pg_catalog.pg_type o JOIN outer_ns n ON n.oid = o.typnamespace
                            WHERE ('pg_type'::regclass, o.oid) NOT IN (SELECT classid, objid FROM member))
                 OR EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot look whether the database is empty"))?
        .get(0);
    Ok(if filled { TargetState::Filled } else { TargetState::Empty })
}

async fn missing_roles(client: &Connection, roles: &Roles, options: &RestoreOptions) -> Result<Vec<String>> {
    let mut wanted: BTreeSet<&String> = roles.others.iter().collect();
    if !options.no_owner {
        wanted.extend(&roles.owners);
    }
    if !options.no_privileges {
        wanted.extend(&roles.grantees);
    }
    let wanted: Vec<&String> = wanted.into_iter().collect();
    let rows = client
        .query(
            "SELECT name FROM unnest($1::text[]) name
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) ORDER BY name",
            &[&wanted],
        )
        .await
        .map_err(|error| failed(error, "cannot look the roles up"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Roles that own something in the archive and that this account may give nothing to.
async fn strangers(
    client: &Connection,
    about: &About,
    roles: &Roles,
    preflight: &mut Preflight,
) -> Result<()> {
    // From PostgreSQL 16 on, being a member and being allowed to become the role are two things.
    let right = if client.major_version() >= 16 { "SET" } else { "MEMBER" };
    let public = roles.public.iter().filter(|_| preflight.way != Way::InPlace);
    let given: Vec<&String> = roles.given.iter().chain(public).collect();
    let rows = client
        .query(
            "SELECT r.rolname::text FROM pg_catalog.pg_roles r
             WHERE r.rolname = ANY ($1::text[]) AND NOT pg_catalog.pg_has_role(r.oid, $2) ORDER BY 1",
            &[&given, &right],
        )
        .await
        .map_err(|error| failed(error, "cannot look the owners up"))?;
    let strangers: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if !strangers.is_empty() {
        preflight.problems.push(finding(
            format!(
                "`{}` may give nothing to {}, to whom something in the archive belongs",
                about.account,
                list(&strangers)
            ),
            format!(
                "make `{}` a member (GRANT role TO account), use an account that is one, or restore with --no-owner",
                about.account
            ),
        ));
    }
    Ok(())
}

/// What only a superuser can have made in a new database: settings that are a superuser's to make, and privileges on
/// what comes with the server.
async fn superusers_work(
    client: &Connection,
    about: &About,
    archive: &Archive,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    let properties = super::properties(archive, options)?;
    let settings: Vec<&String> = properties.settings.iter().map(|setting| &setting.name).collect();
    let may = if client.major_version() >= 15 {
        "pg_catalog.has_parameter_privilege(name, 'SET')"
    } else {
        "false"
    };
    let sql = format!(
        "SELECT name FROM pg_catalog.pg_settings
         WHERE name = ANY ($1::text[]) AND context IN ('superuser', 'superuser-backend') AND NOT {may} ORDER BY 1"
    );
    let rows = client.query(&sql, &[&settings]).await;
    let rows = rows.map_err(|error| failed(error, "cannot look who may make the settings"))?;
    let settings: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if !settings.is_empty() {
        preflight.problems.push(finding(
            format!("`{}` may not give a database the setting {}", about.account, list(&settings)),
            "have a superuser take it off (ALTER DATABASE … RESET …), or use an account that may set it",
        ));
    }
    let own = |id: &ObjectId| id.kind == Kind::Namespace && id.name == "pg_catalog";
    let wanted = |part: &&Part| match part.aspect {
        Aspect::Privileges => !options.no_privileges,
        Aspect::Owner => !options.no_owner,
        _ => true,
    };
    if archive.index().parts.iter().filter(wanted).any(|part| part.objects.iter().any(own)) {
        preflight.problems.push(finding(
            format!("`{}` may not change what comes with the server, as was done in the archive's database", about.account),
            "use a superuser, or have one undo it (GRANT and REVOKE on objects of pg_catalog, comments on them, ALTER FUNCTION)",
        ));
    }
    Ok(())
}

/// Extensions that are not on the server, or that this account may not create.
async fn extensions(
    client: &Connection,
    about: &About,
    archive: &Archive,
    preflight: &mut Preflight,
) -> Result<()> {
    let objects = archive.index().parts.iter().flat_map(|part| part.objects.iter());
    let wanted: BTreeSet<&String> =
        objects.filter(|id| id.kind == Kind::Extension).map(|id| &id.name).collect();
    let wanted: Vec<&String> = wanted.into_iter().collect();
    let rows = client
        .query(
            "SELECT name, a.name IS NOT NULL, coalesce(a.installed_version IS NOT NULL, false),
                    coalesce((SELECT v.trusted OR NOT v.superuser FROM pg_catalog.pg_available_extension_versions v
                              WHERE v.name = a.name AND v.version = a.default_version), false)
             FROM unnest($1::text[]) wanted (name) LEFT JOIN pg_catalog.pg_available_extensions a USING (name)
             ORDER BY name",
            &[&wanted],
        )
        .await
        .map_err(|error| failed(error, "cannot look the extensions up"))?;
    for row in rows {
        let (name, available, installed, allowed): (String, bool, bool, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let there_already = preflight.way == Way::InPlace && installed;
        if !available {
            preflight.missing_extensions.push(name);
        } else if !about.superuser && !allowed && !there_already {
            preflight.problems.push(finding(
                format!("`{}` may not create the extension `{name}`", about.account),
                "restore as a superuser, or have one create the extension in `template1` or in the target",
            ));
        }
    }
    Ok(())
}

/// What hangs on the database and would not move to the new one.
async fn attached(client: &Connection) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT 'logical replication slot ' || slot_name FROM pg_catalog.pg_replication_slots
             WHERE slot_type = 'logical' AND database = current_database()
             UNION ALL
             SELECT 'subscription ' || subname FROM pg_catalog.pg_subscription s
             JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
             ORDER BY 1",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot look for slots and subscriptions"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn prepared(client: &Connection) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() ORDER BY gid",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot look for prepared transactions"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The rows' text and half as much again for indexes: what a restored database takes, about.
fn bytes_needed(archive: &Archive) -> u64 {
    let text = archive.index().bytes();
    text + text / 2
}

/// The room on the server's disk, where the server runs on this machine and says where its files are.
async fn bytes_free(client: &Connection) -> Result<Option<u64>> {
    let row = client
        .query_one(
            "SELECT coalesce(inet_server_addr() = inet_client_addr(), true),
                    (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory')",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot ask where the server keeps its files"))?;
    let (local, folder): (bool, Option<String>) = (row.get(0), row.get(1));
    let Some(folder) = folder.filter(|_| local) else { return Ok(None) };
    // A server in a container may name a folder that is another one here.
    if !Path::new(&folder).join("postmaster.pid").exists() {
        return Ok(None);
    }
    Ok(rustix::fs::statvfs(folder.as_str()).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors() {
        assert_eq!(major("15.18"), 15);
        assert_eq!(major("18beta1"), 18);
        assert_eq!(major("16.2 (Debian 16.2-1)"), 16);
    }
}
