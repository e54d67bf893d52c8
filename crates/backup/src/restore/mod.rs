//! Restoring an archive: looked at first, beside the target, proven, then in its place.

mod options;
mod preflight;
mod replaced;

pub use options::RestoreOptions;
pub use preflight::{Finding, Preflight, TargetState, Way};
pub use replaced::Replaced;
