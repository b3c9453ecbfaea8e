//! Follows the framing of HTTP/1 requests strictly, ahead of the parser, so that nobody can read a connection in two ways.
//!
//! Pure. What leaves room for interpretation is refused: both lengths at once or one twice, folded headers, bare line feeds,
//! transfer codings other than `chunked`, chunk extensions, a host that is missing or named twice (RFC 9112, sections 2.2, 3.2, 5, 6, 7).

/// The longest line that is followed, in bytes; the parser's own limit is lower or equal.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

/// Bytes that are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// How many bytes of the piece came before the line that is refused; all before is fine.
    pub at: usize,
    /// Why.
    pub why: &'static str,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    RequestLine,
    Header,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    is_chunked: bool,
    has_host: bool,
    is_http_10: bool,
}

impl Framing {
    /// Takes the next bytes of the connection.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        while at < piece.len() {
            let rest = &piece[at..];
            if let State::Body(left) | State::Chunk(left) = self.state {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                at += taken;
                self.state = match (self.state, left - taken as u64) {
                    (State::Body(_), 0) => State::RequestLine,
                    (State::Body(_), left) => State::Body(left),
                    (_, 0) => State::ChunkEnd,
                    (_, left) => State::Chunk(left),
                };
                continue;
            }
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                self.line.extend_from_slice(rest);
                let is_long = self.line.len() > LINE_BYTES_MAX;
                return if is_long { Err(Refused { at, why: "a line is too long" }) } else { Ok(()) };
            };
            let next = if self.line.is_empty() {
                line(&rest[..end], self.state, &mut self.head)
            } else {
                self.line.extend_from_slice(&rest[..end]);
                let next = line(&self.line, self.state, &mut self.head);
                self.line.clear();
                next
            };
            self.state = next.map_err(|why| Refused { at, why })?;
            at += end + 1;
        }
        Ok(())
    }
}

/// Takes a line without its line feed and returns what follows it.
fn line(line: &[u8], state: State, head: &mut Head) -> Result<State, &'static str> {
    let Some(line) = line.strip_suffix(b"\r") else { return Err("a line feed without a carriage return") };
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\0')) {
        return Err("a control character in a line");
    }
    match state {
        // Empty lines before a request are left over from the one before.
        State::RequestLine if line.is_empty() => Ok(State::RequestLine),
        State::RequestLine => {
            *head = Head { is_http_10: line.ends_with(b" HTTP/1.0"), ..Head::default() };
            Ok(State::Header)
        }
        State::Header if line.is_empty() => head.end(),
        State::Header => header(line, head).map(|()| State::Header),
        State::ChunkSize => chunk_size(line).map(|size| if size == 0 { State::Trailer } else { State::Chunk(size) }),
        State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
        State::ChunkEnd => Err("a chunk is longer than it says"),
        State::Trailer if line.is_empty() => Ok(State::RequestLine),
        State::Trailer => name_and_value(line).map(|_| State::Trailer),
        State::Body(_) | State::Chunk(_) => Ok(state),
    }
}

fn header(line: &[u8], head: &mut Head) -> Result<(), &'static str> {
    let (name, value) = name_and_value(line)?;
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => {
            let had_host = std::mem::replace(&mut head.has_host, true);
            if had_host {
                return Err("two hosts");
            }
        }
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            let length = number(value, 10).ok_or("a content length that is no number")?;
            if head.length.replace(length).is_some() {
                return Err("two content lengths");
            }
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer coding other than chunked");
            }
            if std::mem::replace(&mut head.is_chunked, true) {
                return Err("two transfer codings");
            }
        }
        _ => {}
    }
    Ok(())
}

fn name_and_value(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let colon = line.iter().position(|&byte| byte == b':').ok_or("a header without a colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        return Err("a folded header, or white space in the name of one");
    }
    Ok((name, value.trim_ascii()))
}

fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    number(line, 16).ok_or("a chunk size that is no number, or has an extension")
}

/// Reads digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_plain = digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_plain)?;
    u64::from_str_radix(digits, radix).ok()
}

impl Head {
    fn end(&self) -> Result<State, &'static str> {
        match (self.length, self.is_chunked) {
            _ if !self.has_host && !self.is_http_10 => Err("no host"),
            (Some(_), true) => Err("a content length and a transfer coding"),
            (_, true) if self.is_http_10 => Err("a transfer coding in HTTP/1.0"),
            (_, true) => Ok(State::ChunkSize),
            (None | Some(0), false) => Ok(State::RequestLine),
            (Some(length), false) => Ok(State::Body(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Pushes a connection whole and byte by byte; both must come to the same.
    fn push(bytes: &str) -> Result<(), &'static str> {
        let mut framing = Framing::default();
        let whole = framing.push(bytes.as_bytes()).map_err(|refused| refused.why);
        let mut framing = Framing::default();
        let single = bytes.as_bytes().chunks(1).try_for_each(|byte| framing.push(byte)).map_err(|refused| refused.why);
        assert_eq!(whole, single, "{bytes:?}");
        whole
    }

    fn post(headers: &str, body: &str) -> Result<(), &'static str> {
        push(&format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}{GET}"))
    }

    #[test]
    fn plain_requests_pass_one_after_the_other() {
        let fine = [
            ("", ""),
            ("content-length: 0\r\n", ""),
            ("Content-Length: 5\r\nx: y:z\r\nempty:\r\n", "\0\n\r:\n"),
            ("Transfer-Encoding: Chunked\r\n", "3\r\na\nb\r\nA\r\n0123456789\r\n0\r\n\r\n"),
            ("transfer-encoding: chunked\r\n", "0\r\nx-trailer: 1\r\n\r\n"),
        ];
        for (headers, body) in fine {
            assert_eq!(post(headers, body), Ok(()), "{headers:?}");
        }
        assert_eq!(push(&format!("\r\n{GET}\r\n{GET}")), Ok(()));
        assert_eq!(push("GET / HTTP/1.0\r\n\r\n"), Ok(()));
    }

    #[test]
    fn whatever_can_be_read_in_two_ways_is_refused() {
        let refused = [
            ("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n"),
            ("content-length: 4\r\ncontent-length: 4\r\n", "abcd"),
            ("content-length: 4\r\ncontent-length: 5\r\n", "abcd"),
            ("content-length: 4, 4\r\n", "abcd"),
            ("content-length: +4\r\n", "abcd"),
            ("content-length: 0x4\r\n", "abcd"),
            ("content-length:\r\n", ""),
            ("content-length: 99999999999999999999\r\n", ""),
            ("transfer-encoding: xchunked\r\n", ""),
            ("transfer-encoding: gzip, chunked\r\n", ""),
            ("transfer-encoding: identity\r\n", ""),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", ""),
            ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", ""),
            ("transfer-encoding: \x0bchunked\r\n", ""),
            ("transfer-encoding : chunked\r\n", ""),
            ("x: a\r\n folded: b\r\n", ""),
            ("x: a\r\n\tb\r\n", ""),
            ("x: a\ny: b\r\n", ""),
            ("x: a\ry: b\r\n", ""),
            ("x: a\0b\r\n", ""),
            ("no colon\r\n", ""),
            (": empty\r\n", ""),
            ("host: b\r\n", ""),
            ("transfer-encoding: chunked\r\n", "3;ext=1\r\nabc\r\n0\r\n\r\n"),
            ("transfer-encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n"),
            ("transfer-encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n"),
            ("transfer-encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n"),
            ("transfer-encoding: chunked\r\n", " 3\r\nabc\r\n0\r\n\r\n"),
        ];
        for (headers, body) in refused {
            assert!(post(headers, body).is_err(), "{headers:?} {body:?}");
        }
        for request in ["GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"] {
            assert!(push(request).is_err(), "{request:?}");
        }
    }

    #[test]
    fn the_place_is_the_line_that_is_refused() {
        let mut framing = Framing::default();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n";
        assert_eq!(framing.push(request).unwrap_err().at, 25);
    }
}
