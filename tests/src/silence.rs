use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A way to a server that can fall silent: from then on it passes nothing, not even that one side is gone.
#[derive(Debug)]
pub struct Silence {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Silence {
    /// One to a port of this machine.
    ///
    /// # Panics
    /// If no port is free.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let silent = Arc::new(AtomicBool::new(false));
        let quiet = Arc::clone(&silent);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let quiet = Arc::clone(&quiet);
                    std::thread::spawn(move || pass(from, to, &quiet));
                }
            }
        });
        Self { port: own, silent }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Falls silent, for good.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, silent: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes);
        while silent.load(Ordering::SeqCst) {
            // Both sockets stay open for as long as the test lasts.
            std::thread::sleep(Duration::from_secs(3600));
        }
        match read {
            Ok(length @ 1..) if to.write_all(&bytes[..length]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
