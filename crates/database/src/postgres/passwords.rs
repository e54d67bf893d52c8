//! Password files as libpq's users keep them: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

#[cfg(test)]
mod tests;

use super::{Host, Settings};

/// The password that the text of a password file has for a server, database and account.
///
/// The first line that matches wins. `*` matches anything; `\:` and `\\` stand for `:` and `\`; a
/// server that is reached through the default socket folder is called `localhost` too.
pub fn find(text: &str, host: &Host, database: &str, user: &str) -> Option<String> {
    let port = host.port.to_string();
    let address = host.address.map(|address| address.to_string()).unwrap_or_default();
    let local = host.is_socket() && DEFAULT_SOCKET_FOLDERS.contains(&host.name.as_str());
    let name = if host.name.is_empty() { &address } else { &host.name };
    text.lines().find_map(|line| {
        let line = line.trim_end_matches('\r');
        if line.starts_with('#') {
            return None;
        }
        let (their_host, rest) = field(line)?;
        let (their_port, rest) = field(rest)?;
        let (their_database, rest) = field(rest)?;
        let (their_user, password) = field(rest)?;
        let hit = (matches(&their_host, name) || (local && their_host.as_deref() == Some("localhost")))
            && matches(&their_port, &port)
            && matches(&their_database, database)
            && matches(&their_user, user);
        hit.then(|| unescape(password))
    })
}

const DEFAULT_SOCKET_FOLDERS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// One field, `None` inside for `*`, and what comes after its `:`.
fn field(line: &str) -> Option<(Option<String>, &str)> {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, character)| {
        let end = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        end
    });
    let (raw, rest) = (&line[..end?.0], &line[end?.0 + 1..]);
    Some(((raw != "*").then(|| unescape(raw)), rest))
}

fn matches(theirs: &Option<String>, ours: &str) -> bool {
    theirs.as_deref().is_none_or(|theirs| theirs == ours)
}

/// A password ends at an unescaped `:` too, as for libpq.
fn unescape(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            // At the very end it is itself, as for libpq.
            '\\' => plain.push(characters.next().unwrap_or('\\')),
            ':' => break,
            _ => plain.push(character),
        }
    }
    plain
}

/// What the password file of the settings has for somebody.
pub(super) enum FromFile {
    Found(String),
    /// There is no such file, or it does not know them.
    Nothing,
    /// It is no plain file that only its owner may read.
    PassedOver,
}

/// Looks into the password file of the settings.
pub(super) async fn from_file(settings: &Settings, host: &Host, database: &str, user: &str) -> FromFile {
    let Some(path) = settings.passfile.as_deref() else { return FromFile::Nothing };
    let Ok(metadata) = tokio::fs::metadata(path).await else { return FromFile::Nothing };
    let open = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0;
    if open || !metadata.is_file() {
        return FromFile::PassedOver;
    }
    let Ok(text) = tokio::fs::read(path).await else { return FromFile::Nothing };
    // A line in another encoding does not spoil the others.
    let found = find(&String::from_utf8_lossy(&text), host, database, user);
    found.filter(|password| !password.is_empty()).map_or(FromFile::Nothing, FromFile::Found)
}
