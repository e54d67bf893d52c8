use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident, lit};
use crate::{Kind, Result, Section};

/// Subscriptions are in a catalog of the whole server; where they connect to, only a superuser may read.
fn query(reader: &Reader<'_>) -> String {
    format!(
        "SELECT s.oid, s.subname::text AS name, pg_get_userbyid(s.subowner)::text AS owner, s.subconninfo AS connection,
            s.subslotname::text AS slot, s.subsynccommit AS commit, s.subpublications AS publications, s.subenabled,
            {} AS binary, {} AS stream, {} AS two_phase, {} AS disable_on_error, {} AS password_required,
            {} AS run_as_owner, {} AS origin, {} AS failover
         FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
         ORDER BY s.subname COLLATE \"C\"",
        reader.since(14, "s.subbinary", "false"),
        reader.since(14, "s.substream::text", "NULL::text"),
        reader.since(15, "s.subtwophasestate <> 'd'", "false"),
        reader.since(15, "s.subdisableonerr", "false"),
        reader.since(16, "s.subpasswordrequired", "true"),
        reader.since(16, "s.subrunasowner", "false"),
        reader.since(16, "s.suborigin", "'any'"),
        reader.since(17, "s.subfailover", "false"),
    )
}

const NAMES: &str = "
    SELECT s.subname::text AS name, has_column_privilege('pg_subscription', 'subconninfo', 'SELECT') AS readable
    FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

/// They are made without asking the other server, and so switched off, as `pg_dump` has them.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut readable = false;
    for row in reader.rows("subscriptions", NAMES).await? {
        readable = get(&row, "readable")?;
        if !readable {
            let name: String = get(&row, "name")?;
            let of = id(Kind::Subscription, "", "", &name);
            reader.refuse_of(
                of,
                format!("subscription {name}"),
                "only a superuser may read where it connects to",
            );
        }
    }
    if !readable {
        return Ok(());
    }
    for row in reader.rows("subscriptions", &query(reader)).await? {
        let name: String = get(&row, "name")?;
        let what = format!("subscription {name}");
        let mut connection: String = get(&row, "connection")?;
        if !reader.secrets {
            let Some(kept) = without_passwords(&connection) else {
                let of = id(Kind::Subscription, "", "", &name);
                reader.refuse_of(of, what, "what it connects with cannot be told from its password");
                continue;
            };
            if kept != connection {
                reader.leave_out(format!("the password of {what}"), "--secrets carries it");
                connection = kept;
            }
        }
        if get(&row, "subenabled")? {
            reader.leave_out(
                format!("that {what} is enabled"),
                "it comes back disabled, with ALTER SUBSCRIPTION to enable it",
            );
        }
        let slot = get::<Option<String>>(&row, "slot")?.map_or_else(|| "NONE".to_owned(), |slot| lit(&slot));
        let mut options = vec!["connect = false".to_owned(), format!("slot_name = {slot}")];
        match get::<Option<String>>(&row, "stream")?.as_deref() {
            Some("t" | "true") => options.push("streaming = on".to_owned()),
            Some("p") => options.push("streaming = parallel".to_owned()),
            Some("f" | "false") => options.push("streaming = off".to_owned()),
            None => {}
            Some(_) => {
                let of = id(Kind::Subscription, "", "", &name);
                reader.refuse_of(of, what, "it streams in an unknown way");
            }
        }
        for (column, is, text) in [
            ("binary", true, "binary = true"),
            ("two_phase", true, "two_phase = on"),
            ("disable_on_error", true, "disable_on_error = true"),
            ("password_required", false, "password_required = false"),
            ("run_as_owner", true, "run_as_owner = true"),
            ("failover", true, "failover = true"),
        ] {
            if get::<bool>(&row, column)? == is {
                options.push(text.to_owned());
            }
        }
        for (column, word, usual) in [("commit", "synchronous_commit", "off"), ("origin", "origin", "any")] {
            let value: String = get(&row, column)?;
            if value != usual {
                options.push(format!("{word} = {}", lit(&value)));
            }
        }
        let target = format!("SUBSCRIPTION {}", ident(&name));
        let publications: Vec<String> = get(&row, "publications")?;
        let publications: Vec<String> = publications.iter().map(|one| ident(one)).collect();
        let text = format!(
            "CREATE {target} CONNECTION {} PUBLICATION {} WITH ({});\n",
            lit(&connection),
            publications.join(", "),
            options.join(", ")
        );
        let node = Node::new(id(Kind::Subscription, "", "", &name), Section::Final, target, text);
        reader.add((class::SUBSCRIPTION, get(&row, "oid")?), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}

/// The parameters of a connection that are secrets.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>
const SECRETS: [&str; 3] = ["password", "sslpassword", "oauth_client_secret"];

/// A connection string of libpq's, of either kind, without its passwords; `None` where it is not one.
fn without_passwords(connection: &str) -> Option<String> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| connection.starts_with(scheme));
    let Some(scheme) = scheme else { return without_settings(connection) };
    let rest = &connection[scheme.len()..];
    let mut text = scheme.to_owned();
    // As libpq does, the user and the password first: a password may hold a question mark.
    let rest = match rest.find(['@', '/']).filter(|end| rest[*end..].starts_with('@')) {
        Some(end) => {
            text.push_str(rest[..end].split(':').next().unwrap_or_default());
            &rest[end..]
        }
        None => rest,
    };
    let (start, query) = rest.split_once('?').map_or((rest, None), |(start, query)| (start, Some(query)));
    text.push_str(start);
    let mut kept: Vec<&str> = Vec::new();
    for one in query.into_iter().flat_map(|query| query.split('&')) {
        // libpq decodes names as well as values.
        let name = helpers::percent::decode(one.split('=').next().unwrap_or_default()).ok()?;
        if !SECRETS.contains(&name.as_str()) {
            kept.push(one);
        }
    }
    if !kept.is_empty() {
        text.push('?');
        text.push_str(&kept.join("&"));
    }
    Some(text)
}

/// The same for `name = value` settings, whose values may be quoted and hold escapes.
fn without_settings(connection: &str) -> Option<String> {
    let mut kept = Vec::new();
    let mut all = true;
    let mut rest = connection.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let value = after.trim_start();
        let quoted = value.starts_with('\'');
        let mut escaped = false;
        let end = value.char_indices().skip(usize::from(quoted)).find(|(_, letter)| {
            let ends = !escaped && if quoted { *letter == '\'' } else { letter.is_ascii_whitespace() };
            escaped = !escaped && *letter == '\\';
            ends
        });
        let end = match end {
            Some((end, _)) => end + usize::from(quoted),
            None if quoted => return None,
            None => value.len(),
        };
        if SECRETS.contains(&name.trim_end()) {
            all = false;
        } else {
            kept.push(format!("{}={}", name.trim_end(), &value[..end]));
        }
        rest = value[end..].trim_start();
    }
    // What had no secret is left as it was written.
    Some(if all { connection.to_owned() } else { kept.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn passwords_are_taken_out_of_connections() {
        for (connection, kept) in [
            ("host=db dbname = shop", "host=db dbname = shop"),
            ("host=db password=a\\ b user=u", "host=db user=u"),
            ("password = 'it\\'s = me' host='a b'", "host='a b'"),
            ("sslpassword=x", ""),
            (
                "postgres://u:p:w@db:5432/shop?sslmode=require&password=x",
                "postgres://u@db:5432/shop?sslmode=require",
            ),
            ("postgresql://db/shop?password=x", "postgresql://db/shop"),
            ("postgresql://db/sh@op", "postgresql://db/sh@op"),
            ("postgres://u:se?cret@db/shop", "postgres://u@db/shop"),
            ("postgres://u@db/shop?pass%77ord=x&%70assword=y&port=1", "postgres://u@db/shop?port=1"),
            ("postgres://u:a?b@db/shop?password=x&sslmode=require", "postgres://u@db/shop?sslmode=require"),
        ] {
            assert_eq!(without_passwords(connection).as_deref(), Some(kept));
        }
        assert_eq!(without_passwords("password='open"), None);
        assert_eq!(without_passwords("no setting"), None);
        assert_eq!(without_passwords("postgres://db/shop?%ffpassword=x"), None);
    }
}
