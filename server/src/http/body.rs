//! Request bodies in, within their limits, and answers out, compressed where the client takes it.

use std::io;

use async_compression::tokio::bufread::{GzipDecoder, GzipEncoder};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, VARY};
use poem::{Body, Response};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::fhir::{self, Error, Kind};

/// Answers smaller than this are sent as they are.
const COMPRESS_FROM: usize = 1024;

/// Reads a whole body, decompressed; `limit` counts the bytes after that, so that a small body that unpacks to a
/// huge one is cut off on the way.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Error> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let encodings: Vec<&str> =
        headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    match encodings.join(",").to_ascii_lowercase().trim() {
        "" | "identity" => read_plain(body, declared, limit).await,
        "gzip" | "x-gzip" => {
            let compressed = StreamReader::new(body.into_bytes_stream());
            let mut decoder = GzipDecoder::new(compressed);
            // A gzip file may have several members, one after another: RFC 1952, 2.2.
            decoder.multiple_members(true);
            read_to_limit(decoder, limit).await
        }
        _ => Err(Error::new(Kind::UnsupportedMediaType, "Content-Encoding: only gzip and identity are supported")),
    }
}

async fn read_plain(body: Body, declared: Option<usize>, limit: usize) -> Result<Bytes, Error> {
    let mut pieces = body.into_bytes_stream();
    let Some(first) = pieces.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(unreadable)?;
    // Most bodies come as one piece, which is then not copied.
    if declared == Some(first.len()) {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(declared.unwrap_or(first.len() * 2).min(limit));
    whole.extend_from_slice(&first);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(unreadable)?;
        if whole.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&piece);
    }
    if whole.len() > limit { Err(too_large(limit)) } else { Ok(whole.freeze()) }
}

async fn read_to_limit(reader: impl AsyncRead + Unpin, limit: usize) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    let mut bounded = reader.take(limit as u64 + 1);
    bounded.read_to_end(&mut whole).await.map_err(unreadable)?;
    if whole.len() > limit { Err(too_large(limit)) } else { Ok(whole.into()) }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Kind::TooLarge,
        format!(
            "the body is larger than {limit} bytes, which is the limit here (after decompression); send it in parts"
        ),
    )
}

fn unreadable(error: io::Error) -> Error {
    Error::new(Kind::Invalid, "the body could not be read to its end, or is not what Content-Encoding says")
        .caused_by(error)
}

/// Whether the client takes gzip: RFC 9110, 12.5.3.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = parameters.split_once('=').is_some_and(|(_, quality)| quality.trim().parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Puts the pieces of an answer into a response; stored bytes are passed on as they are.
pub(super) fn fill(response: &mut Response, body: fhir::Body, gzip: bool) {
    let length = body.len();
    let compressible = length >= COMPRESS_FROM;
    if compressible {
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if gzip && compressible {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let pieces = match body {
            fhir::Body::Empty => Vec::new(),
            fhir::Body::Bytes(bytes) => vec![bytes],
            fhir::Body::Chunks(chunks) => chunks,
        };
        let plain = StreamReader::new(stream::iter(pieces.into_iter().map(Ok::<Bytes, io::Error>)));
        let compressed = GzipEncoder::with_quality(plain, async_compression::Level::Fastest);
        response.set_body(Body::from_bytes_stream(ReaderStream::with_capacity(compressed, 16 * 1024)));
        return;
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    match body {
        fhir::Body::Empty => {}
        fhir::Body::Bytes(bytes) => response.set_body(bytes),
        fhir::Body::Chunks(chunks) => {
            response.set_body(Body::from_bytes_stream(stream::iter(chunks.into_iter().map(Ok::<Bytes, io::Error>))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn encoded(coding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))])
    }

    #[tokio::test]
    async fn a_body_is_read_plain_or_compressed() {
        assert_eq!(read(&HeaderMap::new(), Body::from("abc"), 3).await.unwrap(), "abc");
        assert_eq!(read(&encoded("gzip"), Body::from(gzip(b"abc")), 3).await.unwrap(), "abc");
        let pieces = stream::iter(["ab", "cd"].map(|piece| Ok::<_, io::Error>(Bytes::from_static(piece.as_bytes()))));
        assert_eq!(read(&HeaderMap::new(), Body::from_bytes_stream(pieces), 4).await.unwrap(), "abcd");
        assert_eq!(read(&HeaderMap::new(), Body::empty(), 4).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_however_it_comes() {
        let kind = |result: Result<Bytes, Error>| result.unwrap_err().kind;
        assert_eq!(kind(read(&HeaderMap::new(), Body::from("abcd"), 3).await), Kind::TooLarge);
        let declared = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(4_usize))]);
        assert_eq!(kind(read(&declared, Body::empty(), 3).await), Kind::TooLarge);
        // 10 MB of zeros are 10 KB of gzip.
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(kind(read(&encoded("gzip"), Body::from(bomb), 1 << 20).await), Kind::TooLarge);
        assert_eq!(kind(read(&encoded("br"), Body::from("abc"), 3).await), Kind::UnsupportedMediaType);
        assert_eq!(kind(read(&encoded("gzip"), Body::from("abc"), 3).await), Kind::Invalid);
    }

    /// RFC 1952, 2.2: "A gzip file consists of a series of members", with no end to them. What passes the limit is
    /// refused there, not after it was unpacked to its end.
    #[tokio::test]
    async fn a_compressed_body_is_read_no_further_than_to_the_limit() {
        let member = Bytes::from(gzip(&vec![0; 1 << 20]));
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let members = stream::iter(0..64).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(member.clone())
        });
        let refused = read(&encoded("gzip"), Body::from_bytes_stream(members), 1 << 20).await.unwrap_err();
        assert_eq!(refused.kind, Kind::TooLarge);
        assert!(taken.load(Ordering::Relaxed) < 8, "{taken:?} of 64 members were read");
    }

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        let takes = |value| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]));
        assert!(takes("gzip") && takes("br, GZIP;q=0.5"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("identity") && !takes_gzip(&HeaderMap::new()));
    }
}
