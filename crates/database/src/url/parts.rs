//! How the parts of a URL with a server in it are told apart.

/// `name`, `name:port`, `[v6]`, `[v6]:port`; the name without brackets, the port possibly empty.
pub(super) fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            (name, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let readable = !name.contains(['@', '/', '?', '[', ']']) && !name.contains(char::is_whitespace);
    (readable && port.bytes().all(|byte| byte.is_ascii_digit())).then_some((name, port))
}

/// The parts of a URL, none of them decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) hosts: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) query: &'a str,
}

/// Cuts a URL so that a password may hold any character, while values of parameters may hold `@`.
///
/// The query begins at the first `?` that is followed by the name of a known parameter and `=`, if
/// what stands between the last `@` before it (or the beginning) and it can be read as hosts and a
/// database. Otherwise, and for the account always, the last `@` is the border.
pub(super) fn cut<'a>(rest: &'a str, known: &[&str]) -> Parts<'a> {
    let (front, query) = rest
        .match_indices('?')
        .map(|(at, _)| (&rest[..at], &rest[at + 1..]))
        .filter(|(_, query)| query.split_once('=').is_some_and(|(key, _)| known.contains(&key)))
        .find(|(front, query)| {
            // `name:digits?…@…` is an account and its password, for libpq too.
            let account = !front.contains(['@', '/']) && front.contains(':') && query.contains('@');
            !account && place(after_last_at(front).1).is_some()
        })
        .unwrap_or_else(|| {
            let place = after_last_at(rest).1;
            let border = place.find('?').map(|at| rest.len() - place.len() + at);
            border.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]))
        });
    let (account, place) = after_last_at(front);
    let (hosts, database) =
        place.split_once('/').map_or((place, None), |(hosts, database)| (hosts, Some(database)));
    Parts { account, hosts, database, query }
}

fn after_last_at(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('@').map_or((None, text), |(account, place)| (Some(account), place))
}

/// Whether it can be `host:port,host:port/database`.
fn place(text: &str) -> Option<()> {
    let hosts = text.split_once('/').map_or(text, |(hosts, _)| hosts);
    hosts.split(',').all(|host| host_and_port(host).is_some()).then_some(())
}
