//! An upstream whose answers are written byte by byte by the test.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// A server on loopback that hands every request to the test.
pub(crate) struct Mock {
    pub addr: SocketAddr,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
}

/// An address on loopback where nobody listens, and where nobody else can begin to while this is held.
pub(crate) struct Deserted {
    pub addr: SocketAddr,
    _socket: TcpSocket,
}

impl Deserted {
    pub(crate) fn new() -> Deserted {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Deserted { addr: socket.local_addr().unwrap(), _socket: socket }
    }
}

/// One request, and the socket on which to answer it.
pub(crate) struct Exchange {
    pub first_line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    socket: TcpStream,
}

impl Mock {
    pub(crate) async fn start() -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, exchanges) = mpsc::unbounded_channel();
        let tasks = TaskTracker::new();
        let accept = {
            let tasks = tasks.clone();
            async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let sender = sender.clone();
                    tasks.spawn(async move {
                        if let Some(exchange) = Exchange::read(socket).await {
                            // The test may be over.
                            sender.send(exchange).ok();
                        }
                    });
                }
            }
        };
        tasks.spawn(accept);
        Mock { addr, exchanges }
    }

    /// Waits for the next request.
    pub(crate) async fn next(&mut self) -> Exchange {
        self.exchanges.recv().await.unwrap()
    }

    /// Says whether a request has come that the test did not take.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.exchanges.try_recv().is_err()
    }
}

impl Exchange {
    async fn read(mut socket: TcpStream) -> Option<Exchange> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if socket.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let (first_line, headers) = crate::caller::parse_head(&bytes[..head_end]);
        let mut body = bytes.split_off(head_end + 4);
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, length)| length.parse::<usize>().unwrap());
        while body.len() < length {
            if socket.read_buf(&mut body).await.ok()? == 0 {
                return None;
            }
        }
        Some(Exchange { first_line, headers, body, socket })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Writes bytes of the answer, head included.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Answers whole, with further header lines.
    pub(crate) async fn whole(mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) {
        let length = body.as_ref().len();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.send([head.as_bytes(), body.as_ref()].concat()).await;
    }

    /// Begins a stream of server-sent events; head and first piece leave together.
    pub(crate) async fn begin_stream(&mut self, first: &str) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        self.send(format!("{head}{:x}\r\n{first}\r\n", first.len())).await;
    }

    /// Sends a piece of a chunked body.
    pub(crate) async fn chunk(&mut self, piece: &str) {
        self.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
    }

    /// Sends a piece of a chunked body to somebody who may have gone.
    pub(crate) async fn try_chunk(&mut self, piece: &str) -> std::io::Result<()> {
        self.socket.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await
    }

    /// Ends a chunked body.
    pub(crate) async fn end(mut self) {
        self.send("0\r\n\r\n").await;
    }

    /// Waits until the gateway has closed the connection.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        // A reset is a close too.
        self.socket.read_to_end(&mut rest).await.ok();
    }
}
