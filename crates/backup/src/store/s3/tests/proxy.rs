//! A proxy that makes requests fail in the ways in which stores and networks do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The store is not asked; the answer has this status and code.
    Answer(u16, &'static str),
    /// The store is not asked; the answer says that it was done.
    Pretend,
    /// The answer breaks off in the middle of its body.
    CutAnswer,
    /// The store did what it was asked, and the answer is lost.
    LoseAnswer,
    /// The connection breaks in the middle of the request's body.
    CutRequest,
    /// The answer's body comes at a few bytes a second.
    Trickle,
    /// A byte of the request's body is another.
    Corrupt,
}

/// The next `times` requests whose first line has all of the words meet the fault.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    words: Vec<&'static str>,
    times: u32,
    fault: Fault,
}

/// A proxy before the test's server. It ends with the test's runtime.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) endpoint: String,
    rules: Arc<Mutex<Vec<Rule>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (rules, heads) = (Arc::<Mutex<Vec<Rule>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (of_task, heads_of_task) = (rules.clone(), heads.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (rules, heads) = (of_task.clone(), heads_of_task.clone());
                tokio::spawn(async move {
                    // A side that goes away is a part of what is tried here.
                    let _ = serve(client, &rules, &heads).await;
                });
            }
        });
        Self { endpoint, rules, heads }
    }

    /// Requests of this kind meet a fault, so often.
    pub(super) fn fault(&self, words: &[&'static str], times: u32, fault: Fault) {
        self.rules.lock().unwrap().push(Rule { words: words.to_vec(), times, fault });
    }

    /// Faults that were not met: a test that expects them has to see none.
    pub(super) fn left(&self) -> u32 {
        self.rules.lock().unwrap().iter().map(|rule| rule.times).sum()
    }

    /// How many requests had those words in their first line.
    pub(super) fn count(&self, words: &[&str]) -> usize {
        self.requests(words).len()
    }

    /// The heads of those requests, in small letters.
    pub(super) fn requests(&self, words: &[&str]) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let has = |head: &&String| {
            let line = head.lines().next().unwrap_or_default();
            words.iter().all(|word| line.contains(word))
        };
        heads.iter().filter(has).map(|head| head.to_ascii_lowercase()).collect()
    }
}

fn take(rules: &Mutex<Vec<Rule>>, line: &str) -> Option<Fault> {
    let mut rules = rules.lock().unwrap();
    let rule =
        rules.iter_mut().find(|rule| rule.times > 0 && rule.words.iter().all(|word| line.contains(word)))?;
    rule.times -= 1;
    Some(rule.fault)
}

async fn serve(
    mut client: TcpStream,
    rules: &Mutex<Vec<Rule>>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let Some((head, mut body)) = head(&mut client).await? else { return Ok(()) };
    let line = head.lines().next().unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head.clone());
    let fault = take(rules, &line);
    let length: usize = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if let Some(Fault::Answer(status, code)) = fault {
        // Some answer before they have read, but not all clients like that.
        read_body(&mut client, &head, &mut body, length).await?;
        let text = format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>");
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
            text.len(),
            if line.starts_with("HEAD") { "" } else { &text }
        );
        return client.write_all(answer.as_bytes()).await;
    }
    if let Some(Fault::Pretend) = fault {
        read_body(&mut client, &head, &mut body, length).await?;
        let answer = "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(answer.as_bytes()).await;
    }
    if let Some(Fault::CutRequest) = fault {
        return read_body(&mut client, &head, &mut body, length / 2).await;
    }
    read_body(&mut client, &head, &mut body, length).await?;
    if let Some(Fault::Corrupt) = fault
        && let Some(byte) = body.last_mut()
    {
        *byte ^= 1;
    }
    let mut server = TcpStream::connect(super::endpoint().trim_start_matches("http://")).await?;
    let kept: Vec<&str> = head
        .lines()
        .filter(|line| {
            !line.is_empty() && header(line, "connection").is_none() && header(line, "expect").is_none()
        })
        .collect();
    server.write_all(format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n")).as_bytes()).await?;
    server.write_all(&body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let body_at = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    match fault {
        Some(Fault::LoseAnswer) => Ok(()),
        Some(Fault::CutAnswer) => client.write_all(&answer[..body_at + (answer.len() - body_at) / 2]).await,
        Some(Fault::Trickle) => {
            client.write_all(&answer[..body_at]).await?;
            for byte in &answer[body_at..] {
                client.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        }
        _ => client.write_all(&answer).await,
    }
}

async fn head(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(at + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), body)));
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(
    client: &mut TcpStream,
    head: &str,
    body: &mut Vec<u8>,
    length: usize,
) -> std::io::Result<()> {
    if header(head, "expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while body.len() < length {
        if client.read_buf(body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
