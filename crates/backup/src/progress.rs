//! How far a dump, a restore or a check has come.

/// Is told how far a dump, a restore or a check has come. Called from several tasks at once.
pub trait Progress: Send + Sync {
    /// A new phase begins; `total_bytes` is what [`Progress::advance`] will add up to, where that is known.
    fn phase(&self, name: &str, total_bytes: Option<u64>);

    /// So many bytes before compression, and rows, are done.
    fn advance(&self, bytes: u64, rows: u64);

    /// What a person should know of the work, and is no failure.
    fn note(&self, line: &str) {
        tracing::warn!("{line}");
    }

    /// All is done.
    fn done(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64, _rows: u64) {}
    fn done(&self) {}
}
