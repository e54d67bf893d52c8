use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// How many bytes a request to cancel has at its end: length, code, process id and secret key of four bytes each.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST>
const REQUEST: usize = 16;

/// The process id that whoever let us in gave with the key for cancelling: of a server that of the session's process, as
/// `pg_backend_pid()` has it.
///
/// The driver tells it to nobody but the server, in a request to cancel: so one is written to where nobody reads it.
pub(super) async fn process_id(token: &CancelToken) -> Option<i32> {
    let mut page = Page(Vec::new());
    token.cancel_query_raw(&mut page, Plain).await.ok()?;
    let request = page.0.last_chunk::<REQUEST>()?;
    Some(i32::from_be_bytes([request[8], request[9], request[10], request[11]]))
}

/// Keeps what is written; whoever asks it for encryption is told yes.
struct Page(Vec<u8>);

impl AsyncWrite for Page {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Page {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if buffer.remaining() > 0 {
            buffer.put_slice(b"S");
        }
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for &mut Page {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Encrypts nothing, since nothing is sent.
struct Plain;

impl<'a> TlsConnect<&'a mut Page> for Plain {
    type Stream = &'a mut Page;
    type Error = Infallible;
    type Future = Ready<std::result::Result<&'a mut Page, Infallible>>;

    fn connect(self, page: &'a mut Page) -> Self::Future {
        ready(Ok(page))
    }
}
