//! End-to-end tests of dbm.
