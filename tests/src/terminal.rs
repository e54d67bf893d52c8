use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// A terminal of a test's own, to which a command can ask its questions.
#[derive(Debug)]
pub struct Terminal {
    person: Arc<File>,
    command: OwnedFd,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    /// One that shows what is typed, and gives it on by the line.
    ///
    /// # Panics
    /// If the system gives none.
    #[expect(clippy::new_without_default, reason = "a terminal is no plain value")]
    pub fn new() -> Self {
        let person =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&person).and_then(|()| unlockpt(&person)).expect("a terminal to be used");
        let name = ptsname(&person, Vec::new()).expect("its name");
        let command = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
            .expect("its other end");
        let person = Arc::new(File::from(person));
        let said = Arc::new(Mutex::new(String::new()));
        let (reader, heard) = (Arc::downgrade(&person), Arc::clone(&said));
        // It must not be what keeps the terminal there.
        std::thread::spawn(move || {
            let (mut bytes, rest) = ([0; 4096], Timespec { tv_sec: 0, tv_nsec: 10_000_000 });
            while let Some(person) = reader.upgrade() {
                if poll(&mut [PollFd::new(&*person, PollFlags::IN)], Some(&rest)) == Ok(0) {
                    continue;
                }
                let Ok(length @ 1..) = (&*person).read(&mut bytes) else { break };
                heard.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Self { person, command, said }
    }

    pub(crate) fn end(&self) -> OwnedFd {
        self.command.try_clone().expect("a handle")
    }

    /// Everything that was shown, once `text` is among it.
    ///
    /// # Panics
    /// If that takes over 30 seconds.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let said = self.said.lock().expect("no panic").clone();
            if said.contains(text) {
                return said;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no {text:?} in {said:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types.
    ///
    /// # Panics
    /// If nobody can.
    pub fn types(&self, text: &str) {
        (&*self.person).write_all(text.as_bytes()).expect("typed");
    }

    /// Whether it shows what is typed.
    ///
    /// # Panics
    /// If it does not say.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.command).expect("its settings").local_modes.contains(LocalModes::ECHO)
    }

    /// Gives each key on at once, not by the line.
    ///
    /// # Panics
    /// If that cannot be set.
    pub fn by_key(&self) {
        let mut settings = tcgetattr(&self.command).expect("its settings");
        settings.local_modes.remove(LocalModes::ICANON);
        tcsetattr(&self.command, OptionalActions::Now, &settings).expect("set");
    }
}
