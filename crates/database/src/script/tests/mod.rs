//! The native clients are the judges: after dbm's cut and run the database is what it is after theirs.

mod hidden;
mod judges;
mod natures;
mod places;
mod tokens;
