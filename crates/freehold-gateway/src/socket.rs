//! A caller's connection below HTTP: bytes that were read before, strict framing, and a limit on a caller who does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::framing::Framing;

/// How an HTTP/2 connection begins (RFC 9113, section 3.4); that much of it is enough to tell.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
const FIRST_BYTES: usize = 4096;

/// How long, and for how many bytes, a caller who was refused is still listened to. Closing with bytes unread would make the
/// system drop the answer that tells why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 256 << 10;

/// What stands in the place of bytes that are refused: no parser takes it. It looks like the end of a head, because a parser
/// that has seen a part of one looks again only when the rest is there.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

/// A caller's connection.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    io: S,
    /// Bytes that were read in order to tell the protocol.
    first: Bytes,
    framing: Option<Framing>,
    is_refused: bool,
    write_timeout: Duration,
    /// Runs while the caller takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    /// Runs while a caller who was refused is still listened to, with the bytes that came since.
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Reads the first bytes of a connection without encryption and tells by them what it speaks.
pub(crate) async fn sniff<S: AsyncRead + Unpin>(io: &mut S) -> io::Result<(Spoken, Bytes)> {
    let mut first = BytesMut::with_capacity(FIRST_BYTES);
    loop {
        let is_over = io.read_buf(&mut first).await? == 0;
        let compared = first.len().min(PREFACE.len());
        if first[..compared] != PREFACE[..compared] || is_over {
            return Ok((Spoken::Http1, first.freeze()));
        }
        if compared == PREFACE.len() {
            return Ok((Spoken::Http2, first.freeze()));
        }
    }
}

impl<S> Socket<S> {
    /// Wraps a connection of which `first` has already been read.
    pub(crate) fn new(io: S, spoken: Spoken, first: Bytes, write_timeout: Duration) -> Self {
        let framing = (spoken == Spoken::Http1).then(Framing::default);
        Socket { io, first, framing, is_refused: false, write_timeout, stall: None, linger: None }
    }

    /// Looks at the bytes that were added to a buffer, and poisons those that are refused.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(framing) = &mut self.framing else { return };
        if let Err(refused) = framing.push(&buf.filled()[before..]) {
            tracing::debug!(why = refused.why, "refused a request");
            self.is_refused = true;
            buf.set_filled(before + refused.at);
            self.first = Bytes::from_static(POISON);
            self.hand_on(buf);
        }
    }

    /// Hands on what is held, as far as there is room.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..count]);
        self.first.advance(count);
    }

    /// Passes on how a write went, and fails one that has waited too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let write_timeout = self.write_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads what a refused caller still sends, to no purpose but that the answer arrives.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (over, taken) = self.linger.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER)), 0));
        let mut room = [0; 4096];
        loop {
            if over.as_mut().poll(cx).is_ready() || *taken >= LINGER_BYTES_MAX {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut room);
            match std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => *taken += buf.filled().len(),
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if socket.is_refused {
            socket.hand_on(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if socket.first.is_empty() {
            std::task::ready!(Pin::new(&mut socket.io).poll_read(cx, buf))?;
        } else {
            socket.hand_on(buf);
        }
        socket.inspect(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let polled = Pin::new(&mut socket.io).poll_write(cx, bytes);
        socket.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let polled = Pin::new(&mut socket.io).poll_write_vectored(cx, pieces);
        socket.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let polled = Pin::new(&mut socket.io).poll_flush(cx);
        socket.written(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if socket.linger.is_none() {
            let polled = Pin::new(&mut socket.io).poll_shutdown(cx);
            std::task::ready!(socket.written(cx, polled))?;
            if !socket.is_refused {
                return Poll::Ready(Ok(()));
            }
        }
        socket.linger(cx).map(Ok)
    }
}
