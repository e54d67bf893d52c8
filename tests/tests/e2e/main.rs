//! The promise, from outside: the binary against real databases, judged by the engines' own tools.

mod accounts;
mod attacks;
mod bad_input;
mod example;
mod facts;
mod faults;
mod globals;
mod kills;
mod lines;
mod losses;
mod mariadb;
mod memory;
mod modules;
mod nights;
mod parts;
mod poolers;
mod questions;
mod replication;
mod roles;
mod signals;
mod stores;
mod triggers;
