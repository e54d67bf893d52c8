use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Somebody between dbm and a server, who counts, cuts and forges.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// A text that the server says, and what reaches the client instead; of equal length.
type Forgery = (Vec<u8>, Vec<u8>);

#[derive(Debug, Default)]
struct Line {
    server: String,
    passed: AtomicU64,
    /// After how many bytes the line is cut; 0 for never.
    limit: AtomicU64,
    /// Whether nobody is let through after the cut.
    for_good: bool,
    dead: AtomicBool,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    forgery: Option<Forgery>,
    forged: AtomicU64,
}

impl Proxy {
    /// A line to the server of a URL that is left alone.
    pub fn open(url: &str) -> Self {
        Self::start(url, Line::default())
    }

    /// A line that is cut in the middle of whatever passes as byte `after`; for good, or only this once.
    pub fn cut(url: &str, after: u64, for_good: bool) -> Self {
        Self::start(url, Line { limit: AtomicU64::new(after.max(1)), for_good, ..Line::default() })
    }

    /// A line on which what the server says is another thing when it arrives.
    ///
    /// # Panics
    /// If the two are not of one length.
    pub fn forging(url: &str, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len(), "the protocol tells lengths");
        Self::start(url, Line { forgery: Some((from.into(), to.into())), ..Line::default() })
    }

    fn start(url: &str, mut line: Line) -> Self {
        let (_, rest) = url.split_once('@').expect("a URL with a user");
        line.server = rest.split('/').next().expect("host and port").to_owned();
        let line = Arc::new(line);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let theirs = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if theirs.ended.load(Ordering::Relaxed) {
                    return;
                }
                if !theirs.dead.load(Ordering::Relaxed) {
                    theirs.connect(client);
                }
            }
        });
        Self { port, line }
    }

    /// The URL that goes through here.
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!("@{}/", self.line.server), &format!("@127.0.0.1:{}/", self.port))
    }

    /// How many bytes have passed, both ways.
    pub fn passed(&self) -> u64 {
        self.line.passed.load(Ordering::Relaxed)
    }

    /// How often something was forged.
    pub fn forged(&self) -> u64 {
        self.line.forged.load(Ordering::Relaxed)
    }

    /// Whether the line was cut.
    pub fn is_cut(&self) -> bool {
        let limit = self.line.limit.load(Ordering::Relaxed);
        limit == u64::MAX || self.line.dead.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.ended.store(true, Ordering::Relaxed);
        self.line.hang_up();
        // It sits in accept().
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Line {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.server) else { return };
        let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend([clone(&client), clone(&server)]);
        }
        let (back, there) = (Arc::clone(self), Arc::clone(self));
        let (client_again, server_again) = (clone(&client), clone(&server));
        std::thread::spawn(move || there.pump(client, server, false));
        std::thread::spawn(move || back.pump(server_again, client_again, true));
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &mut buffer[..read];
            if let (true, Some((old, new))) = (is_answer, &self.forgery) {
                let mut at = 0;
                while let Some(found) = bytes[at..].windows(old.len()).position(|window| window == old) {
                    bytes[at + found..at + found + old.len()].copy_from_slice(new);
                    at += found + old.len();
                    self.forged.fetch_add(1, Ordering::Relaxed);
                }
            }
            let (before, limit) =
                (self.passed.fetch_add(read as u64, Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
            if limit != 0 && limit != u64::MAX && before + read as u64 > limit {
                let rest = usize::try_from(limit.saturating_sub(before)).unwrap_or(0);
                let _ = to.write_all(&bytes[..rest.min(read)]);
                self.limit.store(u64::MAX, Ordering::Relaxed);
                self.dead.store(self.for_good, Ordering::Relaxed);
                self.hang_up();
                return;
            }
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn hang_up(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
