use std::fmt;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::{Identity, Recipient};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::store::Sidecar;
use crate::{Error, ErrorKind, Result};

/// For whom archives are encrypted, with what they are opened, and with what the files beside them are authenticated.
#[derive(Default)]
pub struct Keys {
    recipients: Vec<Box<dyn Recipient + Send + Sync>>,
    identities: Vec<Box<dyn Identity + Send + Sync>>,
    mac: Option<[u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} recipients, {} identities)", self.recipients.len(), self.identities.len())
    }
}

fn wrong(what: impl Into<String>, hint: &str) -> Error {
    Error::new(ErrorKind::Usage, what).with_hint(hint)
}

/// The error where recipients were configured, and the list of them is empty.
fn none(from: &str) -> Error {
    wrong(
        format!("{from} names no recipient, so that nothing would be encrypted"),
        "write age1…, ssh-ed25519 AAAA… or ssh-rsa AAAA…; leave the option out to encrypt nothing",
    )
}

fn recipient(word: &str) -> Result<Box<dyn Recipient + Send + Sync>> {
    if let Ok(recipient) = word.parse::<age::x25519::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = word.parse::<age::ssh::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if word.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
        return Err(wrong(
            "a recipient is a public key, and this is an identity",
            "`dbm keys generate` writes both; the recipient begins with age1",
        ));
    }
    Err(wrong(
        "this is no recipient",
        "write age1…, ssh-ed25519 AAAA… or ssh-rsa AAAA…; `dbm keys generate` makes a pair",
    ))
}

impl Keys {
    /// No keys: nothing is encrypted, and nothing that is can be read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds recipients: `age1…` or SSH public keys, parted by commas or lines; `#` begins a comment line. `from` says
    /// in messages where the text is from; what it holds is not shown, since it may be a secret in the wrong place.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a word that is no recipient, and for a text that holds none.
    pub fn with_recipients(mut self, text: &str, from: &str) -> Result<Self> {
        let before = self.recipients.len();
        for (number, line) in text.split('\n').enumerate() {
            let words = line.split(',').map(str::trim);
            for word in words.filter(|word| !word.is_empty() && !word.starts_with('#')) {
                let recipient =
                    recipient(word).map_err(|error| error.of(&format!("{from}, line {}", number + 1)))?;
                self.recipients.push(recipient);
            }
        }
        if self.recipients.len() == before {
            return Err(none(from));
        }
        Ok(self)
    }

    /// Adds the identities of a file's text: lines `AGE-SECRET-KEY-1…`, or a private key of SSH without a passphrase.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if it holds none.
    pub fn with_identities(mut self, text: &str, file: &str) -> Result<Self> {
        let none = || {
            wrong(
                format!("`{file}` holds no identity that can be used"),
                "an identity is a line AGE-SECRET-KEY-1…, or a private key of SSH without a passphrase",
            )
        };
        if text.contains("-----BEGIN ") {
            let identity = age::ssh::Identity::from_buffer(text.as_bytes(), Some(file.to_owned()));
            match identity.map_err(|_| none())? {
                identity @ age::ssh::Identity::Unencrypted(_) => self.identities.push(Box::new(identity)),
                _ => return Err(none()),
            }
            return Ok(self);
        }
        let read = age::IdentityFile::from_buffer(text.as_bytes()).map_err(|_| none())?;
        let identities = read.into_identities().map_err(|_| none())?;
        if identities.is_empty() {
            return Err(none());
        }
        self.identities.extend(identities);
        Ok(self)
    }

    /// Encrypts for, and opens with, a passphrase.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an empty one, or where there are recipients already: age takes one or the other.
    pub fn with_passphrase(mut self, passphrase: &str) -> Result<Self> {
        if passphrase.is_empty() || !self.recipients.is_empty() {
            return Err(wrong(
                "a passphrase is not empty, and does not go together with recipients",
                "choose one: recipients, or a passphrase",
            ));
        }
        let secret = || SecretString::from(passphrase.to_owned());
        self.recipients.push(Box::new(age::scrypt::Recipient::new(secret())));
        self.identities.push(Box::new(age::scrypt::Identity::new(secret())));
        Ok(self)
    }

    /// Adds the key that authenticates the files beside encrypted archives: 64 hex digits.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another text.
    pub fn with_mac_key(mut self, text: &str) -> Result<Self> {
        let key: crate::archive::Hash = text.trim().parse().map_err(|_| {
            wrong("the key for NAME.json is not 64 hex digits", "`dbm keys generate` writes one")
        })?;
        self.mac = Some(key.0);
        Ok(self)
    }

    /// Whether new archives are encrypted.
    pub fn encrypts(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Whether there is anything to open an archive with.
    pub fn opens(&self) -> bool {
        !self.identities.is_empty()
    }

    pub(super) fn encryptor(&self) -> Result<age::Encryptor> {
        let recipients = self.recipients.iter().map(|recipient| &**recipient as &dyn Recipient);
        age::Encryptor::with_recipients(recipients).map_err(|cause| {
            wrong("these recipients cannot be used together", "see the cause").with_source(cause)
        })
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &dyn Identity> {
        self.identities.iter().map(|identity| &**identity as &dyn Identity)
    }

    /// The authentication of what lies beside an archive, over all of it but itself.
    fn mac_of(&self, name: &str, sidecar: &Sidecar) -> Option<Hmac<Sha256>> {
        let plain = Sidecar { mac: None, ..sidecar.clone() };
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.mac?).ok()?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(&serde_json::to_vec(&plain).ok()?);
        Some(mac)
    }

    /// Whether there is a key to authenticate with.
    pub(super) fn authenticates(&self) -> bool {
        self.mac.is_some()
    }

    pub(super) fn sign(&self, name: &str, sidecar: &Sidecar) -> Sidecar {
        // Without a key a copy keeps the authentication that it came with.
        let Some(mac) = self.mac_of(name, sidecar) else { return sidecar.clone() };
        Sidecar { mac: Some(crate::archive::Hash(mac.finalize().into_bytes().into())), ..sidecar.clone() }
    }

    /// Whether what lies beside an archive is as one of us wrote it; without a key nobody can tell.
    pub(super) fn is_authentic(&self, name: &str, sidecar: &Sidecar) -> bool {
        match self.mac_of(name, sidecar) {
            None => true,
            Some(mac) => sidecar.mac.is_some_and(|found| mac.verify_slice(&found.0).is_ok()),
        }
    }
}

/// New keys.
#[derive(Clone)]
pub struct Generated {
    /// The text of an identity file, as `age-keygen` writes it. Secret.
    pub identity: String,
    /// The public key, for the machines that make backups.
    pub recipient: String,
    /// The key that authenticates `NAME.json`, 64 hex digits. Secret, and needed wherever backups are made or pruned.
    pub mac_key: String,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generated({})", self.recipient)
    }
}

/// Makes keys.
pub fn generate() -> Generated {
    let (identity, mac) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let recipient = identity.to_public().to_string();
    let identity = format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret());
    // The hash of a secret that nobody keeps is as random as the secret.
    let mac_key = crate::archive::Hash::of(mac.to_string().expose_secret().as_bytes()).to_string();
    Generated { identity, recipient, mac_key }
}
