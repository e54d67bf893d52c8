use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use helpers::percent;

use super::plan;
use crate::{Error, ErrorKind, Result};

/// What can be set for a store on S3: in the URL (`s3://bucket/prefix?region=eu-north-1`) and in `[s3]` of `dbm.toml`.
pub const S3_OPTIONS: &[&str] = &[
    "region",
    "endpoint",
    "profile",
    "path_style",
    "checksum",
    "sse",
    "kms_key",
    "storage_class",
    "tags",
    "object_lock",
    "part_size",
    "max_parts",
    "uniform_parts",
    "spool",
    "patience",
];

/// Keys for S3 that were found elsewhere than where the SDK looks, as in a `.env` file.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// The key's id.
    pub key: String,
    /// The secret.
    pub secret: String,
    /// The session's token, for keys that expire.
    pub token: Option<String>,
}

impl std::fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Credentials({})", self.key)
    }
}

/// What is set for stores besides their names.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// Options of stores on S3, by the names in [`S3_OPTIONS`]; those in a URL win.
    pub s3: BTreeMap<String, String>,
    /// The region where nothing else names one.
    pub s3_region: Option<String>,
    /// Keys, where the SDK would not find them itself.
    pub s3_credentials: Option<S3Credentials>,
    /// Where parts too large for memory wait until they are sent.
    pub spool: Option<PathBuf>,
}

/// Whether and how the server encrypts what it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerEncryption {
    Aes256,
    Kms { key: Option<String> },
}

/// For how long nobody can delete an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectLock {
    /// Whether not even the account's root can.
    pub(crate) compliance: bool,
    pub(crate) period: Duration,
}

/// A store on S3, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Options {
    pub(crate) bucket: String,
    /// Empty, or ending with `/`.
    pub(crate) prefix: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) path_style: Option<bool>,
    /// Whether the SDK adds checksums of its own to every request.
    pub(crate) checksum_when_supported: Option<bool>,
    pub(crate) encryption: Option<ServerEncryption>,
    pub(crate) storage_class: Option<String>,
    /// As a query string, which is how S3 takes them.
    pub(crate) tags: Option<String>,
    pub(crate) object_lock: Option<ObjectLock>,
    pub(crate) part_size: Option<u64>,
    pub(crate) max_parts: u32,
    pub(crate) uniform_parts: bool,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) patience: Duration,
    pub(crate) fallback_region: Option<String>,
    pub(crate) credentials: Option<S3Credentials>,
}

impl S3Options {
    /// Parses `s3://bucket/prefix?option=value&…`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] naming what cannot be used.
    pub(crate) fn parse(text: &str, settings: &StoreSettings) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::Usage, format!("the store `{}` cannot be used: {why}", shown(text)))
                .with_hint("a store on S3 is written s3://bucket/prefix?region=eu-north-1")
        };
        let rest = text.strip_prefix("s3://").unwrap_or(text);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() || bucket.contains('@') {
            return Err(wrong("it names no bucket (keys come from the environment or a profile)".into()));
        }
        let mut values = settings.s3.clone();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            let value =
                percent::decode(value).map_err(|_| wrong(format!("`{name}` is not encoded right")))?;
            values.insert(name.replace('-', "_"), value);
        }
        if let Some(name) = values.keys().find(|name| !S3_OPTIONS.contains(&name.as_str())) {
            return Err(wrong(format!("it has no option `{name}`"))
                .with_hint(format!("options: {}", S3_OPTIONS.join(", "))));
        }
        Self::of(bucket, prefix, &values, settings).map_err(wrong)
    }

    fn of(
        bucket: &str,
        prefix: &str,
        values: &BTreeMap<String, String>,
        settings: &StoreSettings,
    ) -> Result<Self, String> {
        let text = |name: &str| values.get(name).filter(|value| !value.is_empty()).cloned();
        let truth = |name: &str| match text(name).as_deref() {
            None => Ok(None),
            Some("true" | "yes" | "1") => Ok(Some(true)),
            Some("false" | "no" | "0") => Ok(Some(false)),
            Some(other) => Err(format!("`{name}` is `{other}`, not true or false")),
        };
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let checksum_when_supported = match text("checksum").as_deref() {
            None => None,
            Some("when-supported" | "when_supported") => Some(true),
            Some("when-required" | "when_required") => Some(false),
            Some(other) => {
                return Err(format!("`checksum` is `{other}`, not when-supported or when-required"));
            }
        };
        let kms_key = text("kms_key");
        let encryption = match (text("sse").as_deref(), kms_key) {
            (None, None) => None,
            (Some("AES256" | "aes256"), None) => Some(ServerEncryption::Aes256),
            (Some("aws:kms" | "kms") | None, key) => Some(ServerEncryption::Kms { key }),
            (Some("AES256" | "aes256"), Some(_)) => {
                return Err("`kms_key` goes with `sse` = aws:kms".to_owned());
            }
            (Some(other), _) => return Err(format!("`sse` is `{other}`, not AES256 or aws:kms")),
        };
        let tags = text("tags").map(|text| tags(&text)).transpose()?;
        let object_lock = text("object_lock").map(|text| object_lock(&text)).transpose()?;
        let part_size = text("part_size").map(|text| part_size(&text)).transpose()?;
        let max_parts = match text("max_parts") {
            None => plan::PARTS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|parts| (1..=plan::PARTS).contains(parts))
                .ok_or_else(|| format!("`max_parts` is `{text}`, not a number from 1 to 10000"))?,
        };
        let patience = match text("patience") {
            None => Duration::from_secs(60),
            Some(text) => period(&text)
                .filter(|time| !time.is_zero())
                .ok_or_else(|| format!("`patience` is `{text}`, not a duration such as 60s"))?,
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix,
            region: text("region"),
            endpoint: text("endpoint"),
            profile: text("profile"),
            path_style: truth("path_style")?,
            checksum_when_supported,
            encryption,
            storage_class: text("storage_class"),
            tags,
            object_lock,
            part_size,
            max_parts,
            uniform_parts: truth("uniform_parts")?.unwrap_or(false),
            spool: text("spool").map(PathBuf::from).or_else(|| settings.spool.clone()),
            patience,
            fallback_region: settings.s3_region.clone(),
            credentials: settings.s3_credentials.clone(),
        })
    }

    /// The store's name without its options.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix.trim_end_matches('/')).trim_end_matches('/').to_owned()
    }
}

/// The text without options and without what may be a key before an `@`.
fn shown(text: &str) -> String {
    let place = text.split_once('?').map_or(text, |(place, _)| place);
    match place.rsplit_once('@') {
        Some((_, rest)) => format!("s3://…@{rest}"),
        None => place.to_owned(),
    }
}

/// `team=shop,kind=nightly`, as S3 wants it.
fn tags(text: &str) -> Result<String, String> {
    let mut pairs = Vec::new();
    for pair in text.split([',', '&']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.chars().count() > 128 || value.chars().count() > 256 {
            return Err(format!("`tags` is `{text}`, not as team=shop,kind=nightly"));
        }
        pairs.push(format!("{}={}", percent::encode(name), percent::encode(value)));
    }
    if pairs.len() > 10 {
        return Err("`tags` are more than the ten that S3 takes".to_owned());
    }
    Ok(pairs.join("&"))
}

fn object_lock(text: &str) -> Result<ObjectLock, String> {
    let wrong = || format!("`object_lock` is `{text}`, not as governance:30d or compliance:1y");
    let (mode, time) = text.split_once(':').ok_or_else(wrong)?;
    let compliance = match mode.to_ascii_lowercase().as_str() {
        "governance" => false,
        "compliance" => true,
        _ => return Err(wrong()),
    };
    let period = period(time).filter(|period| period.as_secs() > 0).ok_or_else(wrong)?;
    Ok(ObjectLock { compliance, period })
}

fn part_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`part_size` is `{text}`, not a size from 5MiB to 5GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.checked_mul(unit).ok_or_else(wrong)?;
    if (plan::LEAST..=plan::MOST).contains(&size) { Ok(size) } else { Err(wrong()) }
}

/// `90s`, `5min`, `12h`, `30d`, `4w`, `1y`.
fn period(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<S3Options> {
        S3Options::parse(text, &StoreSettings::default())
    }

    fn refusal(text: &str) -> String {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint().is_some());
        error.to_string()
    }

    #[test]
    fn a_prefix_ends_where_another_begins() {
        for (text, prefix, url) in [
            ("s3://b", "", "s3://b"),
            ("s3://b/", "", "s3://b"),
            ("s3://b/shop", "shop/", "s3://b/shop"),
            ("s3://b/a b/ä/", "a b/ä/", "s3://b/a b/ä"),
        ] {
            let options = parse(text).unwrap();
            assert_eq!((options.prefix.as_str(), options.url().as_str()), (prefix, url));
        }
    }

    #[test]
    fn options_of_the_url_win_over_those_of_the_file() {
        let settings = StoreSettings {
            s3: [("region", "eu-1"), ("sse", "AES256"), ("part_size", "16MiB")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..StoreSettings::default()
        };
        let text = "s3://b/x?endpoint=http://127.0.0.1:9000&region=eu%2D2&path-style&object_lock=compliance:30d\
                    &tags=team=a%20b,k=&max_parts=1000&uniform_parts=true&checksum=when-required&spool=/var/spool";
        let options = S3Options::parse(text, &settings).unwrap();
        assert_eq!(options.region.as_deref(), Some("eu-2"));
        assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(options.path_style, Some(true));
        assert_eq!(options.encryption, Some(ServerEncryption::Aes256));
        assert_eq!(options.part_size, Some(16 << 20));
        assert_eq!(options.tags.as_deref(), Some("team=a%20b&k="));
        let lock = ObjectLock { compliance: true, period: Duration::from_secs(30 * 86_400) };
        assert_eq!(options.object_lock, Some(lock));
        assert_eq!((options.max_parts, options.uniform_parts), (1000, true));
        assert_eq!(options.checksum_when_supported, Some(false));
    }

    #[test]
    fn what_cannot_be_used_is_named_without_what_may_be_a_key() {
        for (text, why) in [
            ("s3://", "names no bucket"),
            ("s3://KEY:hunter2@b/x", "names no bucket"),
            ("s3://b?reigon=x", "no option `reigon`"),
            ("s3://b?sse=rot13", "`sse` is `rot13`"),
            ("s3://b?sse=AES256&kms_key=k", "`kms_key` goes with"),
            ("s3://b?object_lock=30d", "governance:30d"),
            ("s3://b?part_size=1MiB", "5MiB to 5GiB"),
            ("s3://b?part_size=6GiB", "5MiB to 5GiB"),
            ("s3://b?max_parts=10001", "1 to 10000"),
            ("s3://b?uniform_parts=perhaps", "true or false"),
            ("s3://b?checksum=md4", "when-supported"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(why) && !refusal.contains("hunter2"), "{text}: {refusal}");
        }
    }
}
