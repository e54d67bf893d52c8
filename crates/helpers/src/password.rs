//! Passwords for seeded users and for database roles.

use argon2::password_hash::PasswordHasher as _;

/// A password that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// There is none.
    #[error("the password is empty")]
    Empty,
    /// bcrypt would pass over what comes after.
    #[error("the password is longer than the 72 bytes that bcrypt takes")]
    TooLongForBcrypt,
    /// No client could send it.
    #[error("the password holds a NUL character")]
    Nul,
    /// The hashing itself refused.
    #[error("the password cannot be hashed")]
    Hash(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a password is hashed for a table of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Argon2id, the first choice.
    Argon2id,
    /// scrypt.
    Scrypt,
    /// bcrypt, for applications that know nothing newer; at most 72 bytes.
    Bcrypt,
}

impl Algorithm {
    /// The words that stand for the algorithms, in files and on the command line.
    pub const WORDS: &'static [&'static str] = &["argon2id", "scrypt", "bcrypt"];

    /// The algorithm that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "argon2id" => Some(Self::Argon2id),
            "scrypt" => Some(Self::Scrypt),
            "bcrypt" => Some(Self::Bcrypt),
            _ => None,
        }
    }
}

/// The rounds of bcrypt, as a power of two.
const BCRYPT_COST: u32 = 12;

/// Hashes a password with a new random salt, in the form that the algorithm's own verifiers read.
///
/// Argon2id with 19 MiB, 2 passes and 1 lane, scrypt with N = 2^17, r = 8, p = 1, both as PHC strings;
/// bcrypt with cost 12 as `$2b$`. These are, or for bcrypt exceed, the least figures of OWASP:
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
///
/// # Errors
/// [`PasswordError`] for an empty password, a NUL in it, and over 72 bytes for bcrypt.
pub fn hash(algorithm: Algorithm, password: &str) -> Result<String, PasswordError> {
    usable(password)?;
    match algorithm {
        Algorithm::Argon2id => {
            let params = argon2::Params::new(19 * 1024, 2, 1, None).map_err(refused)?;
            let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
            Ok(argon2.hash_password(password.as_bytes()).map_err(refused)?.to_string())
        }
        Algorithm::Scrypt => {
            let scrypt = scrypt::Scrypt::from(scrypt::Params::new(17, 8, 1).map_err(refused)?);
            Ok(scrypt.hash_password(password.as_bytes()).map_err(refused)?.to_string())
        }
        Algorithm::Bcrypt if password.len() > 72 => Err(PasswordError::TooLongForBcrypt),
        Algorithm::Bcrypt => bcrypt::hash(password, BCRYPT_COST).map_err(refused),
    }
}

/// The verifier that PostgreSQL stores for a role: what `CREATE ROLE … PASSWORD` takes in place of the password.
///
/// With the server's own salt length and iterations, and SASLprep as libpq's `PQencryptPasswordConn`.
///
/// # Errors
/// [`PasswordError`] for an empty password, with which no role could log in, and for a NUL in it.
pub fn scram_sha_256(password: &str) -> Result<String, PasswordError> {
    usable(password)?;
    Ok(postgres_protocol::password::scram_sha_256(password.as_bytes()))
}

/// A random password of 24 letters and digits, without those that look alike: about 139 bits.
///
/// # Panics
/// Where the operating system has no random numbers to give, which no supported one lets happen.
pub fn generate() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut password = String::with_capacity(24);
    while password.len() < 24 {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("random numbers from the operating system");
        // Bytes past the last whole multiple would make the first letters likelier.
        let fair = 256 / LETTERS.len() * LETTERS.len();
        let letters = bytes.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < fair);
        let letters = letters.map(|byte| char::from(LETTERS[byte % LETTERS.len()]));
        password.extend(letters.take(24 - password.len()));
    }
    password
}

fn usable(password: &str) -> Result<(), PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.contains('\0') { Err(PasswordError::Nul) } else { Ok(()) }
}

fn refused(cause: impl std::error::Error + Send + Sync + 'static) -> PasswordError {
    PasswordError::Hash(Box::new(cause))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordVerifier as _, phc::PasswordHash};

    use super::*;

    const PASSWORDS: [&str; 3] = ["x", r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~ "##, "Grüße, 世界"];

    #[test]
    fn each_algorithms_own_verifier_takes_the_hash() {
        for password in PASSWORDS {
            let text = hash(Algorithm::Argon2id, password).unwrap();
            assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
            let parsed = PasswordHash::new(&text).unwrap();
            assert!(argon2::Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
            assert!(argon2::Argon2::default().verify_password(b"other", &parsed).is_err());

            let text = hash(Algorithm::Bcrypt, password).unwrap();
            assert!(text.starts_with("$2b$12$"), "{text}");
            assert!(bcrypt::verify(password, &text).unwrap() && !bcrypt::verify("other", &text).unwrap());
        }
        let text = hash(Algorithm::Scrypt, PASSWORDS[1]).unwrap();
        assert!(text.starts_with("$scrypt$ln=17,r=8,p=1$"), "{text}");
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(scrypt::Scrypt::default().verify_password(PASSWORDS[1].as_bytes(), &parsed).is_ok());
        assert!(scrypt::Scrypt::default().verify_password(b"other", &parsed).is_err());
    }

    #[test]
    fn what_cannot_be_hashed_is_refused() {
        assert!(matches!(hash(Algorithm::Argon2id, ""), Err(PasswordError::Empty)));
        assert!(matches!(hash(Algorithm::Scrypt, "a\0b"), Err(PasswordError::Nul)));
        assert!(matches!(hash(Algorithm::Bcrypt, &"a".repeat(73)), Err(PasswordError::TooLongForBcrypt)));
        assert!(hash(Algorithm::Bcrypt, &"a".repeat(72)).is_ok());
        assert!(matches!(scram_sha_256(""), Err(PasswordError::Empty)));
    }

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let passwords: std::collections::BTreeSet<_> = (0..100).map(|_| generate()).collect();
        assert_eq!(passwords.len(), 100);
        assert!(
            passwords.iter().all(|word| word.len() == 24 && word.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn words_stand_for_algorithms() {
        assert!(Algorithm::WORDS.iter().all(|word| Algorithm::from_word(word).is_some()));
        assert_eq!(Algorithm::from_word("md5"), None);
    }
}
