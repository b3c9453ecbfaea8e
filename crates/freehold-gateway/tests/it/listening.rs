//! Where callers connect: TLS with either protocol, HTTP/2 without, a Unix socket, and several of them at once.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use freehold_gateway::{GatewayConfig, Listen, TlsFiles};
use freehold_wire::Api;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::caller;
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{"model":"gpt-4o","messages":[]}"#;
const LOOPBACK: &str = "127.0.0.1:0";

/// Writes a new certificate to two files and returns it.
fn certify(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.cert, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&files.key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    (files, made.cert.der().clone())
}

/// Spells bytes as PEM.
fn pem(label: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let digit = |nth: usize| char::from(DIGITS[bits >> (18 - 6 * nth) & 63]);
        (0..4).map(|nth| if nth <= three.len() { digit(nth) } else { '=' }).collect::<String>()
    };
    let line = |part: &[u8]| part.chunks(3).map(four).collect::<String>() + "\n";
    let body: String = bytes.chunks(48).map(line).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

fn connector(trusted: &CertificateDer<'static>, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn shake(house: &House, connector: &TlsConnector) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let socket = TcpStream::connect(house.addr).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), socket).await
}

/// Makes a call over HTTP/1.1 on any connection.
async fn over_http1(mut io: impl AsyncRead + AsyncWrite + Unpin, mock: &mut Mock) {
    io.write_all(&caller::posted(CHAT, "connection: close\r\n", REQUEST.as_bytes())).await.unwrap();
    mock.next().await.whole("200 OK", "", "hello").await;
    let mut answer = String::new();
    // Not everybody takes leave properly.
    io.read_to_string(&mut answer).await.ok();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
}

/// Makes two calls at once over HTTP/2 on any connection.
async fn over_http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, mock: &mut Mock) {
    let io = TokioIo::new(io);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let calls = async {
        let mut call = |step: &str| {
            let request = http::Request::post(format!("http://gateway{CHAT}")).header("x-freehold-step", step);
            sender.send_request(request.body(Full::new(Bytes::from(REQUEST))).unwrap())
        };
        let (first, second) = (call("first"), call("second"));
        let answering = async {
            let (one, other) = (mock.next().await, mock.next().await);
            other.whole("200 OK", "connection: x-hop\r\nx-hop: 1\r\n", "hello").await;
            one.whole("200 OK", "", "hello").await;
        };
        let (first, second, ()) = tokio::join!(first, second, answering);
        for (response, step) in [(first.unwrap(), "first"), (second.unwrap(), "second")] {
            assert_eq!((response.status().as_u16(), response.headers()["x-freehold-step"] == step), (200, true));
            assert!(!response.headers().contains_key("x-hop"));
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        }
    };
    tokio::select! {
        () = calls => {}
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
}

async fn house(mock: &Mock, listen: Vec<Listen>, tls: Option<TlsFiles>) -> House {
    let config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
    House::new(GatewayConfig { listen, tls, ..config }).await
}

#[test]
fn tls_speaks_the_protocol_that_was_agreed_on() {
    house::run(async {
        let mut mock = Mock::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (files, cert) = certify(folder.path());
        let house = house(&mock, vec![Listen::Tls(LOOPBACK.parse().unwrap())], Some(files)).await;
        for alpn in [&["http/1.1"][..], &[]] {
            over_http1(shake(&house, &connector(&cert, alpn)).await.unwrap(), &mut mock).await;
        }
        let agreed = shake(&house, &connector(&cert, &["h2", "http/1.1"])).await.unwrap();
        assert_eq!(agreed.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        over_http2(agreed, &mut mock).await;
        // Whoever speaks no TLS gets no answer.
        let mut plain = caller::send(house.addr, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = Vec::new();
        plain.read_to_end(&mut answer).await.ok();
        assert!(!answer.starts_with(b"HTTP"));
    });
}

#[test]
fn changed_certificate_is_taken_up_and_a_broken_one_is_not() {
    house::run(async {
        let mut mock = Mock::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (files, first) = certify(folder.path());
        let house = house(&mock, vec![Listen::Tls(LOOPBACK.parse().unwrap())], Some(files.clone())).await;
        over_http1(shake(&house, &connector(&first, &[])).await.unwrap(), &mut mock).await;
        let (_, second) = certify(folder.path());
        assert!(shake(&house, &connector(&first, &[])).await.is_err());
        over_http1(shake(&house, &connector(&second, &[])).await.unwrap(), &mut mock).await;
        std::fs::write(&files.cert, "no certificate").unwrap();
        over_http1(shake(&house, &connector(&second, &[])).await.unwrap(), &mut mock).await;
    });
}

#[test]
fn http2_is_told_from_http1_by_its_first_bytes_however_they_are_cut() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = house(&mock, vec![Listen::Plain(LOOPBACK.parse().unwrap())], None).await;
        over_http2(TcpStream::connect(house.addr).await.unwrap(), &mut mock).await;
        let request = caller::posted(CHAT, "connection: close\r\n", REQUEST.as_bytes());
        for cut in 1..5 {
            let mut socket = caller::send(house.addr, &request[..cut]).await;
            socket.set_nodelay(true).unwrap();
            tokio::task::yield_now().await;
            socket.write_all(&request[cut..]).await.unwrap();
            mock.next().await.whole("200 OK", "", "hello").await;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{cut}: {answer}");
        }
    });
}

#[test]
fn http2_can_be_switched_off() {
    house::run(async {
        let house = House::new(GatewayConfig { http2: false, ..house::config(vec![]) }).await;
        let mut socket = caller::send(house.addr, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    });
}

#[test]
fn unix_socket_is_for_its_owner_and_takes_the_place_of_a_stale_one() {
    use std::os::unix::fs::PermissionsExt;
    house::run(async {
        let mut mock = Mock::start().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("freehold.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a listener that is gone leaves its socket");
        let places = vec![Listen::Plain(LOOPBACK.parse().unwrap()), Listen::Unix(path.clone())];
        let house = house(&mock, places.clone(), None).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        over_http1(UnixStream::connect(&path).await.unwrap(), &mut mock).await;
        over_http2(UnixStream::connect(&path).await.unwrap(), &mut mock).await;
        over_http1(TcpStream::connect(house.addr).await.unwrap(), &mut mock).await;
        assert_eq!(house.serving.listening.len(), 2);

        // While one listens, no other takes its place; nor the place of something else.
        let second = |path: std::path::PathBuf| {
            let config = GatewayConfig { listen: vec![Listen::Unix(path)], ..house::config(vec![]) };
            let (recorder, engine) = (house.recorder.clone(), house.engine.clone());
            freehold_gateway::Gateway::new(config, recorder, engine, house::generation(0, &[])).unwrap()
        };
        assert!(second(path.clone()).bind().await.is_err());
        let file = folder.path().join("a file");
        std::fs::write(&file, "precious").unwrap();
        assert!(second(file.clone()).bind().await.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        let (_store, _home) = house.stop(std::time::Duration::from_secs(30)).await;
        assert!(!path.exists(), "the socket is removed at the end");
    });
}
