//! An application that speaks to the gateway over a raw socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response whose head is here.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    socket: TcpStream,
    buffer: Vec<u8>,
    remaining: Remaining,
}

enum Remaining {
    Bytes(usize),
    Chunks,
    Nothing,
}

/// How a body came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    End,
    Broken,
}

/// Opens a connection and sends a request without waiting for the answer.
pub(crate) async fn send(to: SocketAddr, request: impl AsRef<[u8]>) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(request.as_ref()).await.unwrap();
    socket
}

/// Posts a body and waits for the head of the answer.
pub(crate) async fn post(to: SocketAddr, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    Reply::read(send(to, posted(path, headers, body.as_ref())).await).await
}

/// Gets a path.
pub(crate) async fn get(to: SocketAddr, path: &str) -> Reply {
    Reply::read(send(to, format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n")).await).await
}

/// Returns the bytes of a POST.
pub(crate) fn posted(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Splits a head into its first line and its headers, names in lower case.
pub(crate) fn parse_head(head: &[u8]) -> (String, Vec<(String, String)>) {
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    (first, lines.filter(|line| !line.is_empty()).map(header).collect())
}

impl Reply {
    pub(crate) async fn read(mut socket: TcpStream) -> Reply {
        let mut buffer = Vec::new();
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(socket.read_buf(&mut buffer).await.unwrap() > 0, "no head before the end: {buffer:?}");
        };
        let (first, headers) = parse_head(&buffer[..head_end]);
        buffer.drain(..head_end + 4);
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, headers, socket, buffer, remaining: Remaining::Nothing };
        reply.remaining = match (reply.header("content-length"), reply.header("transfer-encoding")) {
            (Some(length), None) => Remaining::Bytes(length.parse().unwrap()),
            (None, Some("chunked")) => Remaining::Chunks,
            (None, None) => Remaining::Nothing,
            other => panic!("two framings: {other:?}"),
        };
        reply
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sends another request on the same connection, once the body has been read.
    pub(crate) async fn again(mut self, request: impl AsRef<[u8]>) -> TcpStream {
        assert!(self.buffer.is_empty() && self.piece().await == Piece::End);
        self.socket.write_all(request.as_ref()).await.unwrap();
        self.socket
    }

    pub(crate) fn call_id(&self) -> String {
        self.header("x-freehold-call").unwrap().to_owned()
    }

    /// Waits for the next piece of the body.
    pub(crate) async fn piece(&mut self) -> Piece {
        match self.remaining {
            Remaining::Nothing | Remaining::Bytes(0) => Piece::End,
            Remaining::Bytes(count) => {
                if self.buffer.is_empty() && !self.more().await {
                    return Piece::Broken;
                }
                let piece: Vec<u8> = self.buffer.drain(..).collect();
                self.remaining = Remaining::Bytes(count.checked_sub(piece.len()).unwrap());
                Piece::Bytes(piece)
            }
            Remaining::Chunks => self.chunk().await,
        }
    }

    /// Reads the body to its end.
    pub(crate) async fn body(&mut self) -> (Vec<u8>, Piece) {
        let mut body = Vec::new();
        loop {
            match self.piece().await {
                Piece::Bytes(piece) => body.extend(piece),
                end => return (body, end),
            }
        }
    }

    /// Reads the body as JSON; it must end cleanly.
    pub(crate) async fn json(&mut self) -> serde_json::Value {
        let (body, end) = self.body().await;
        assert_eq!(end, Piece::End);
        serde_json::from_slice(&body).unwrap()
    }

    async fn chunk(&mut self) -> Piece {
        let line_end = loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            if !self.more().await {
                return Piece::Broken;
            }
        };
        let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..line_end]).unwrap(), 16).unwrap();
        while self.buffer.len() < line_end + 2 + size + 2 {
            if !self.more().await {
                return Piece::Broken;
            }
        }
        let chunk: Vec<u8> = self.buffer.drain(..line_end + 2 + size + 2).collect();
        if size == 0 {
            self.remaining = Remaining::Nothing;
            return Piece::End;
        }
        Piece::Bytes(chunk[line_end + 2..line_end + 2 + size].to_vec())
    }

    async fn more(&mut self) -> bool {
        matches!(self.socket.read_buf(&mut self.buffer).await, Ok(count) if count > 0)
    }
}
