//! Archives that only the holder of a key can read: age (<https://age-encryption.org/v1>), so that its own tools do too.

mod keys;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod upload;

pub use keys::{Generated, Keys, generate};
pub use store::EncryptedStore;
