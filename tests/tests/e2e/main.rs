//! The promise, from outside: the binary against real databases, judged by the engines' own tools.

mod example;
mod kills;
