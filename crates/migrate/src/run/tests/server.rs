//! A server of MySQL or MariaDB of a test's own.

#[path = "../../../../database/src/mysql/testing/own.rs"]
mod own;

use database::mysql::{Place, Server, Settings};

pub(crate) use own::{Own, own};
