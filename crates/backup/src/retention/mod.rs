//! Which archives stay and which may go: a plan that is computed, shown, and only then carried out.

mod policy;
mod prune;
#[cfg(test)]
mod tests;

pub use policy::{Decision, Policy, PrunePlan, plan};
pub use prune::{Pruned, prune};
