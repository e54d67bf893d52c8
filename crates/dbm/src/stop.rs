//! For tests only: the process kills itself at a step, as `kill -9` would at the worst moment.

/// `DBM_TEST_STOP_AT=<step>[:before|noted|after]`; without a moment, before.
///
/// It is read here and nowhere else, and acts through the callback that the audit log hangs on: the
/// run itself has no path of its own for tests.
pub(crate) fn here(step: &str, moment: &str) {
    let Ok(wanted) = std::env::var("DBM_TEST_STOP_AT") else { return };
    let (wanted_step, wanted_moment) = wanted.split_once(':').unwrap_or((&wanted, "before"));
    if wanted_step == step && wanted_moment == moment {
        use std::io::Write as _;
        let _gone = writeln!(std::io::stderr(), "stopped for a test: {step}:{moment}");
        let _dead = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Signals to oneself arrive before the call returns, but nothing may go on if one does not.
        std::process::abort();
    }
}
