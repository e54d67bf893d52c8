use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// A terminal of a test's own, to which a command can ask its questions.
#[derive(Debug)]
pub struct Terminal {
    person: File,
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
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).and_then(|()| unlockpt(&person)).expect("a terminal to be used");
        let name = ptsname(&person, Vec::new()).expect("its name");
        let command =
            rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
        let person = File::from(person);
        let said = Arc::new(Mutex::new(String::new()));
        let (mut reader, heard) = (person.try_clone().expect("a second handle"), Arc::clone(&said));
        // It ends when the other end is closed by all.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
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
    pub fn types(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).expect("typed");
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
