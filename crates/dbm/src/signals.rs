use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output::Output;

/// Turns the first Ctrl-C, SIGTERM or SIGHUP into a clean stop, and the second into an end at once.
pub(crate) fn watch(output: Output) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if asked {
                output.warn(
                    "ended at once; if a run was under way, the next `dbm migrate` or `dbm recover` finishes it or puts the database back",
                );
                std::process::exit(130);
            }
            asked = true;
            cancel.cancel();
            output
                .warn("stopping cleanly; a second signal ends at once and leaves the rest to `dbm recover`");
        }
    });
    Ok(token)
}
