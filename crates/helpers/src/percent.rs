//! Percent-encoding as URLs use it (RFC 3986, section 2.1).

use std::fmt::Write as _;

/// Text that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes that the `%XX` stand for are no UTF-8.
    #[error("the percent-encoded bytes are not UTF-8 text")]
    NotUtf8,
    /// There is a `%00`, which no database takes in a name or a password.
    #[error("a NUL character (%00) cannot be used here")]
    Nul,
}

/// Encodes everything but ASCII letters, digits and `-._~`, so that the result stands anywhere in a URL.
pub fn encode(text: &str) -> String {
    encode_bytes(text.as_bytes(), |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Encodes every byte that `keep` does not keep. `%` is always encoded.
pub fn encode_bytes(bytes: &[u8], keep: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii() && byte != b'%' && keep(byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes text. A `%` that is not followed by two hex digits stands for itself, and so does a `+`.
///
/// # Errors
/// [`DecodeError`] if the bytes are no UTF-8 or hold a NUL.
pub fn decode(text: &str) -> Result<String, DecodeError> {
    let decoded = String::from_utf8(decode_bytes(text)).map_err(|_| DecodeError::NotUtf8)?;
    if decoded.contains('\0') { Err(DecodeError::Nul) } else { Ok(decoded) }
}

/// Decodes text to bytes, whatever they are. A `%` that is not followed by two hex digits stands for itself.
pub fn decode_bytes(text: &str) -> Vec<u8> {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|&byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_percent_sign_without_two_hex_digits_is_itself() {
        for text in ["%", "100%", "%4", "%zz", "%%", "%é"] {
            assert_eq!(decode(text).unwrap(), text);
        }
        assert_eq!(decode("%25%41+%c3%A9").unwrap(), "%A+é");
        assert_eq!(decode("%FF"), Err(DecodeError::NotUtf8));
        assert_eq!(decode("a%00b"), Err(DecodeError::Nul));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(text in "[^\0]*") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(decode(&encoded).unwrap(), text);
        }

        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode_bytes(&encode_bytes(&bytes, |byte| byte.is_ascii_lowercase())), bytes);
        }
    }
}
