use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// One request that a [`Listener`] was sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method and path: `POST /start`.
    pub line: String,
    /// Its headers, as they came.
    pub headers: String,
    /// Its body.
    pub body: String,
}

/// A web server that takes whatever it is sent, and answers with one status.
#[derive(Debug)]
pub struct Listener {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Listener {
    /// One that answers so.
    ///
    /// # Panics
    /// If no port is free.
    pub fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Some(request) = answer(client, status) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                }
            }
        });
        Self { url, requests }
    }

    /// Where it listens, `http://…` without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What came since this was last asked.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(client: TcpStream, status: u16) -> Option<Request> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 || header.trim().is_empty() {
            break;
        }
        headers.push_str(&header);
    }
    let length = headers.lines().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut client = client;
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).ok()?;
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
