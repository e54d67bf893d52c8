use std::sync::mpsc;
use std::thread::Builder;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ask;
use crate::output::Output;

/// How long a signal waits until what it says is written: whoever reads it may have stopped.
const TOLD_WITHIN: Duration = Duration::from_millis(200);

/// Turns the first Ctrl-C, SIGTERM or SIGHUP into a clean stop, and the second into an end at once.
///
/// They are waited for on a thread of its own, with its own I/O: what works, or asks a person, may keep a worker of the
/// other runtime for long, and that one may be the one that would have heard of them.
pub(crate) fn watch(output: Output) -> std::io::Result<CancellationToken> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    drop(entered);
    let token = CancellationToken::new();
    let cancel = token.clone();
    Builder::new().spawn(move || {
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
        };
        next();
        tell(&output, "stopping cleanly; a second signal ends at once and leaves the rest to `dbm recover`");
        cancel.cancel();
        next();
        ask::show_again();
        tell(
            &output,
            "ended at once; if a run was under way, the next `dbm migrate` or `dbm recover` finishes it or puts the database back",
        );
        std::process::exit(130);
    })?;
    Ok(token)
}

/// Warns, and waits only so long until that is written.
fn tell(output: &Output, line: &'static str) {
    let output = output.clone();
    let (written, told) = mpsc::channel();
    // Where there is no thread to be had, nothing is said.
    let _untold = Builder::new().spawn(move || {
        output.warn(line);
        written.send(())
    });
    let _late = told.recv_timeout(TOLD_WITHIN);
}
