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
use super::error::kind;
use super::refusal::To;
use super::{DEFAULT_CONNECT_TIMEOUT, Place, Settings};
use crate::ErrorKind;

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
    /// Two minutes in all, unless logins may take longer: where names are looked up or a directory is asked, they take
    /// their time on a server that is well. An account that is let in so many times an hour (`MAX_CONNECTIONS_PER_HOUR`) is
    /// asked for no more than 120 of them by each connection that waits.
    fn of(settings: &Settings) -> Self {
        let login = settings.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        Self { quiet: Duration::from_secs(30), limit: login.max(Duration::from_secs(30)), times: 3 }
    }
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
        let (given_up, patience) = (AtomicBool::new(false), Patience::of(&settings));
        Self { settings, place, addresses, patience, given_up }
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
            match Box::pin(self.ask()).await {
                Said::Nothing => {
                    unanswered += 1;
                    tracing::debug!(place = %self.place, unanswered, "the server does not answer");
                    // Where a router says at once that there is no way, the way may be back a moment later.
                    sleep_until(since + limit).await;
                }
                Said::Something => {
                    unanswered = 0;
                    sleep(quiet).await;
                }
                // Asked again and again, it would lock the account.
                Said::WrongPassword => return std::future::pending().await,
            }
        }
    }

    async fn ask(&self) -> Said {
        let (user, has_password) =
            (self.settings.user.as_deref().unwrap_or_default(), self.settings.password.is_some());
        let to = To { place: &self.place, database: None, user, has_password };
        match timeout(self.patience.limit, attempt(&self.settings, &to, &self.addresses)).await {
            Err(_) => Said::Nothing,
            Ok(Ok(Ok(conn))) => {
                let _gone = timeout(self.patience.limit, conn.disconnect()).await;
                Said::Something
            }
            Ok(Ok(Err(cause))) => said(&cause),
            // A file that the URL names cannot be read any more, which says nothing of the server.
            Ok(Err(_)) => Said::Something,
        }
    }
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Something,
    WrongPassword,
}

/// What a login that failed says. Whoever refuses new connections is there, and would refuse to know of ours, too, if that
/// were gone: relays that are about to go keep what they have and take nothing more.
fn said(cause: &mysql_async::Error) -> Said {
    match cause {
        mysql_async::Error::Server(answer)
            if kind(answer.code, &answer.state) == ErrorKind::Authentication =>
        {
            Said::WrongPassword
        }
        mysql_async::Error::Io(IoError::Io(cause)) => match cause.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Said::Nothing
            }
            _ => Said::Something,
        },
        _ => Said::Something,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_is_there() {
        let io = |kind: io::ErrorKind| said(&io::Error::from(kind).into());
        assert_eq!(io(io::ErrorKind::HostUnreachable), Said::Nothing);
        assert_eq!(io(io::ErrorKind::TimedOut), Said::Nothing);
        assert_eq!(io(io::ErrorKind::ConnectionRefused), Said::Something);
        assert_eq!(io(io::ErrorKind::UnexpectedEof), Said::Something);
        let answer = |code| {
            let answer = mysql_async::ServerError { code, message: String::new(), state: "28000".to_owned() };
            said(&mysql_async::Error::Server(answer))
        };
        assert_eq!(answer(1045), Said::WrongPassword);
        assert_eq!(answer(1040), Said::Something);
    }

    #[test]
    fn a_login_has_the_time_that_it_may_take() {
        let limit = |seconds: u64| {
            let connect_timeout = Some(Duration::from_secs(seconds));
            Patience::of(&Settings { connect_timeout, ..Settings::default() }).limit.as_secs()
        };
        assert_eq!([limit(60), limit(1), limit(0)], [60, 30, 30]);
    }
}
