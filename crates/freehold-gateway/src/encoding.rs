//! Decodes the copy of a compressed body for the record. What passes through stays as it is.

use std::io::Read;

use http::header::{CONTENT_ENCODING, HeaderMap};

/// A decoded copy of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The bytes, as far as they could be decoded and fit.
    pub bytes: Vec<u8>,
    /// Whether they are everything there was.
    pub is_whole: bool,
}

/// Returns the content codings of a body in the order they were applied; empty where it is plain.
pub(crate) fn of(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect()
}

/// Decodes a body, at most `bytes_max` of it; `None` where a coding is not known.
pub(crate) fn decode(codings: &[String], body: &[u8], bytes_max: usize) -> Option<Decoded> {
    let mut decoded = Decoded { bytes: body.to_vec(), is_whole: true };
    for coding in codings.iter().rev() {
        let next = decode_one(coding, &decoded.bytes, bytes_max)?;
        decoded = Decoded { bytes: next.bytes, is_whole: decoded.is_whole && next.is_whole };
    }
    Some(decoded)
}

fn decode_one(coding: &str, body: &[u8], bytes_max: usize) -> Option<Decoded> {
    Some(match coding {
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(body), bytes_max),
        // The name means zlib, but some servers send the bare stream.
        "deflate" => {
            let zlib = read(flate2::read::ZlibDecoder::new(body), bytes_max);
            if zlib.bytes.is_empty() { read(flate2::read::DeflateDecoder::new(body), bytes_max) } else { zlib }
        }
        "br" => read(brotli_decompressor::Decompressor::new(body, 4096), bytes_max),
        "zstd" => match ruzstd::decoding::StreamingDecoder::new(body) {
            Ok(decoder) => read(decoder, bytes_max),
            Err(_) => Decoded { bytes: Vec::new(), is_whole: false },
        },
        _ => return None,
    })
}

fn read(mut decoder: impl Read, bytes_max: usize) -> Decoded {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Decoded { bytes, is_whole: true },
            Ok(count) if bytes.len() + count > bytes_max => {
                bytes.extend_from_slice(&piece[..bytes_max - bytes.len()]);
                return Decoded { bytes, is_whole: false };
            }
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Decoded { bytes, is_whole: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn known_codings_are_decoded() {
        let text = b"{\"a\": 1}".repeat(40);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        bare.write_all(&text).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(text.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
        let whole = Some(Decoded { bytes: text.clone(), is_whole: true });
        for (codings, body) in [
            (vec!["gzip"], gzip(&text)),
            (vec!["gzip", "gzip"], gzip(&gzip(&text))),
            (vec!["deflate"], zlib.finish().unwrap()),
            (vec!["deflate"], bare.finish().unwrap()),
            (vec!["zstd"], zstd),
            (vec![], text.clone()),
        ] {
            let codings: Vec<String> = codings.into_iter().map(str::to_owned).collect();
            assert_eq!(decode(&codings, &body, 1 << 20), whole, "{codings:?}");
        }
    }

    #[test]
    fn brotli_is_decoded() {
        // "freehold" as an uncompressed brotli meta-block, by RFC 7932 section 9.2.
        let body = [0x8b, 0x03, 0x80, b'f', b'r', b'e', b'e', b'h', b'o', b'l', b'd', 0x03];
        let decoded = decode(&["br".to_owned()], &body, 100).unwrap();
        assert_eq!((decoded.bytes.as_slice(), decoded.is_whole), (b"freehold".as_slice(), true));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let decoded = decode(&["gzip".to_owned()], &gzip(&vec![0; 1 << 20]), 1000).unwrap();
        assert_eq!((decoded.bytes.len(), decoded.is_whole), (1000, false));
    }

    #[test]
    fn a_cut_body_keeps_what_came_and_says_so() {
        let body = gzip(b"freehold");
        let decoded = decode(&["gzip".to_owned()], &body[..body.len() - 4], 1000).unwrap();
        assert!(!decoded.is_whole && b"freehold".starts_with(&decoded.bytes));
        assert_eq!(decode(&["unheard-of".to_owned()], b"", 10), None);
    }
}
