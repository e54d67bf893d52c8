//! PostgreSQL.

mod dump;
