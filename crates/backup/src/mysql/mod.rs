//! What differs for MySQL and MariaDB.

pub(crate) mod dump;
pub(crate) mod history;
pub(crate) mod restore;
#[cfg(test)]
pub(crate) mod testing;
