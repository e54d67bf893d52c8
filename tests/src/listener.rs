use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::tool;

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
        Self::with("http", status, Some)
    }

    /// One that speaks TLS, with a certificate that it makes: `certificate.pem` in that folder, for `localhost`.
    ///
    /// # Panics
    /// If no port is free, or openssl is missing.
    pub fn answering_in_private(folder: &Path, status: u16) -> Self {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (key, certificate) = (path("key.pem"), path("certificate.pem"));
        let mut arguments = vec!["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        arguments.extend(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
        arguments.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        arguments.extend(["-keyout", &key, "-out", &certificate]);
        tool("openssl", &arguments, "");
        let chain = vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .expect("a configuration");
        let config = Arc::new(config);
        let mut listener = Self::with("https", status, move |client| {
            Some(StreamOwned::new(ServerConnection::new(config.clone()).ok()?, client))
        });
        listener.url = listener.url.replace("127.0.0.1", "localhost");
        listener
    }

    fn with<S: Read + Write>(
        scheme: &str,
        status: u16,
        open: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Some(client) = open(client) {
                    answer(client, status, &seen);
                }
            }
        });
        Self { url, requests }
    }

    /// Where it listens, `http://…` or `https://…` without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What came since this was last asked.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads a request, remembers it and answers: whoever has the answer may ask at once what came.
fn answer(client: impl Read + Write, status: u16, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(client);
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
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(Request { line, headers, body });
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let client = reader.get_mut();
    client.write_all(answer.as_bytes()).and_then(|()| client.flush()).ok()
}
