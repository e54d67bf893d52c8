//! Whether the server is still there, asked beside an answer that is long in coming.
//!
//! A network that swallows everything ends no connection, and keepalives, of which the driver (`mysql_async`) lets only the
//! first one's time be set, take twelve minutes to notice. Where a relay answers in the server's place, they never do. So
//! whoever waits long asks on a connection of its own, which is closed at once, whether anybody lets us in. Whatever the
//! server says to that, that it is full or that we have too many sessions, says that it lives.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use mysql_async::IoError;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connect::attempt;
use super::refusal::{self, To};
use super::{Place, Settings};

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// How long nothing may come before the server is asked whether it is there, and after each time that it was.
    pub(super) quiet: Duration,
    /// How long it has for saying so.
    pub(super) limit: Duration,
    /// How many times in a row it does not say so before the connection is given up.
    pub(super) times: u32,
}

impl Patience {
    /// A little more than a minute in all. An account that is let in so many times an hour (`MAX_CONNECTIONS_PER_HOUR`)
    /// is asked for no more than 120 of them.
    const USUAL: Self = Self { quiet: Duration::from_secs(30), limit: Duration::from_secs(15), times: 3 };
}

/// What one connection asks by.
#[derive(Debug)]
pub(super) struct Pulse {
    settings: Settings,
    place: Place,
    /// Those of the place when we connected: behind its name there may be another server by now, or nobody who knows it.
    addresses: Vec<IpAddr>,
    pub(super) patience: Patience,
    given_up: AtomicBool,
}

/// Nothing came of the server, and nobody let us in anew.
#[derive(Debug)]
pub(super) struct Silence(Place);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has fallen silent, and answers on no new connection either", self.0)
    }
}

impl std::error::Error for Silence {}

impl Silence {
    /// What the driver would fail with, had it noticed.
    fn error(place: &Place) -> mysql_async::Error {
        io::Error::new(io::ErrorKind::TimedOut, Self(place.clone())).into()
    }

    /// The one that an error is, if it is one.
    pub(super) fn of(cause: &io::Error) -> Option<&Self> {
        cause.get_ref()?.downcast_ref()
    }
}

impl Pulse {
    pub(super) fn new(settings: Settings, place: Place, addresses: Vec<IpAddr>) -> Self {
        let given_up = AtomicBool::new(false);
        Self { settings, place, addresses, patience: Patience::USUAL, given_up }
    }

    /// Waits for an answer for as long as the server is there.
    ///
    /// # Errors
    /// The answer's own, and [`Silence`] as an error of input and output: then, and each time that it is asked again.
    pub(super) async fn attend<T>(
        &self,
        answer: impl Future<Output = mysql_async::Result<T>>,
    ) -> mysql_async::Result<T> {
        if self.has_given_up() {
            return Err(Silence::error(&self.place));
        }
        let mut answer = pin!(answer);
        // Most rows have come already with those before them.
        if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
            return answer;
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            () = self.silence() => {
                // How much of an answer came is not known, so that nothing else can be read behind it.
                self.given_up.store(true, Ordering::Relaxed);
                Err(Silence::error(&self.place))
            }
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Comes back when nobody has answered for too long.
    async fn silence(&self) {
        if matches!(self.place, Place::Socket(_)) {
            // No network lies in between.
            return std::future::pending().await;
        }
        let Patience { quiet, limit, times } = self.patience;
        sleep(quiet).await;
        let mut unanswered = 0;
        while unanswered < times {
            let since = Instant::now();
            if Box::pin(self.is_there()).await {
                unanswered = 0;
                sleep(quiet).await;
            } else {
                unanswered += 1;
                tracing::debug!(place = %self.place, unanswered, "the server does not answer");
                // Where a router says at once that there is no way, the way may be back a moment later.
                sleep_until(since + limit).await;
            }
        }
    }

    async fn is_there(&self) -> bool {
        let (user, has_password) =
            (self.settings.user.as_deref().unwrap_or_default(), self.settings.password.is_some());
        let to = To { place: &self.place, database: None, user, has_password };
        match timeout(self.patience.limit, attempt(&self.settings, &to, &self.addresses)).await {
            Err(_) => false,
            Ok(Ok(Ok(conn))) => {
                let _gone = timeout(self.patience.limit, conn.disconnect()).await;
                true
            }
            Ok(Ok(Err(cause))) => is_of_a_server(&cause),
            // A file that the URL names cannot be read any more, which says nothing of the server.
            Ok(Err(_)) => true,
        }
    }
}

/// Whether somebody had to answer for a login to fail so.
fn is_of_a_server(cause: &mysql_async::Error) -> bool {
    match cause {
        mysql_async::Error::Io(io) => matches!(io, IoError::Tls(_)) || refusal::of_tls(io).is_some(),
        _ => true,
    }
}
