//! Whether the system gives the threads that a command takes.

use std::io;
use std::sync::Mutex;
use std::thread::{self, Builder};

/// How many a command takes beside the runtime's workers, of which there is one for each core: those that read files,
/// compress, wait for the system, wait for signals and draw.
const BESIDE: usize = 7;

/// Starts as many as it takes, all at once, and ends them; then says how many workers the runtime is to have. It panics
/// where it gets none of its workers, and waits for ever for those that it did not get beside a first one.
///
/// # Errors
/// The system gives no more: for this account, this container, or for want of memory for `stack` bytes each.
pub(crate) fn ask(stack: usize) -> io::Result<usize> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let wanted = workers + BESIDE;
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let shut = gate.lock();
        let start = |_| Builder::new().stack_size(stack).spawn_scoped(scope, || drop(gate.lock()));
        let started: io::Result<Vec<_>> = (0..wanted).map(start).collect();
        drop(shut);
        // The scope alone does not wait until the system has them back.
        started?
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a thread broke off")))
    })?;
    Ok(workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_give_is_an_error() {
        ask(1 << 20).unwrap();
        // A process cannot address as many.
        ask(1 << 46).unwrap_err();
    }
}
