use async_trait::async_trait;
use serde_json::json;

use super::{Session, error};
use crate::{Error, ErrorKind, Fence, FenceState, Result};

/// The fence is the file's exclusive lock, held by the session. The kernel lifts it when the process ends, so that
/// recovery finds nothing to lift.
#[async_trait]
impl Fence for Session {
    async fn fence_state(&mut self) -> Result<FenceState> {
        Ok(FenceState(json!({ "locking_mode": "normal" })))
    }

    async fn raise_fence(&mut self, _state: &FenceState) -> Result<()> {
        let raised = self
            .with(|connection| {
                // The first look opens a WAL in normal mode. One opened in exclusive mode stays so for good:
                // https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
                connection
                    .execute_batch(
                        "SELECT count(*) FROM sqlite_schema; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT",
                    )
                    .map_err(|cause| {
                        let cause = error(cause, "cannot keep others away from the database");
                        if cause.kind() != ErrorKind::LockTimeout {
                            return cause;
                        }
                        Error::new(ErrorKind::Busy, "another program has the database open and cannot be sent away")
                            .with_hint("stop the programs that use the file, or run with `--accept-lost-writes`")
                            .with_source(cause)
                    })
            })
            .await;
        match raised {
            Ok(()) => {
                self.file.set_fenced(Some(&self.connection));
                Ok(())
            }
            Err(error) => {
                self.with(lower).await?;
                Err(error)
            }
        }
    }

    async fn lift_fence(&mut self, _state: &FenceState) -> Result<()> {
        self.with(lower).await?;
        self.file.set_fenced(None);
        Ok(())
    }
}

/// The lock is given back at the first look at the file in the normal mode.
fn lower(connection: &mut rusqlite::Connection) -> Result<()> {
    connection
        .execute_batch("PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema")
        .map_err(|cause| error(cause, "cannot let others at the database again"))
}
