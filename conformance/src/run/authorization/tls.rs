//! Which versions of TLS the server speaks. The library that the kit talks HTTPS with knows none that is too old, so the
//! first message of a handshake is written here: RFC 8446, 4.1.2 and D.1; RFC 8996 for what is forbidden.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::Url;

use super::{Done, Session, skip, wrong};

const LIMIT: Duration = Duration::from_secs(10);

/// Content types of records: RFC 5246, 6.2.1.
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

pub(super) fn versions(session: &mut Session<'_>, refused: &[String]) -> Done<()> {
    let mut places = Vec::new();
    let given = session.shared.parties.setup.and_then(|setup| setup.tls.clone());
    match given {
        Some(place) => places.push(place),
        None => {
            let discovered = session.shared.parties.discovered()?;
            let endpoints = ["authorization_endpoint", "token_endpoint"].map(|name| discovered.endpoint(name));
            for url in [Some(session.run.server.base.as_str())].into_iter().chain(endpoints).flatten() {
                let Ok(url) = Url::parse(url) else { continue };
                if url.scheme() == "https" {
                    let place = format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(443));
                    if !places.contains(&place) {
                        places.push(place);
                    }
                } else if !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
                    session.problem(format!("{url} is without TLS"));
                }
            }
        }
    }
    if places.is_empty() {
        return skip("the server is asked without TLS, on this machine");
    }
    for place in &places {
        match answered(place, (3, 3)) {
            Ok(Some((3, 3 | 4))) => {}
            Ok(_) => session.problem(format!("{place} does not speak TLS 1.2 or 1.3")),
            Err(error) => return wrong(format!("{place}: {error}")),
        }
        for version in refused {
            let asked = if version == "1.0" { (3, 1) } else { (3, 2) };
            if let Ok(Some(spoken)) = answered(place, asked)
                && spoken <= asked
            {
                session.problem(format!("{place} speaks TLS {version}"));
            }
        }
    }
    Ok(())
}

/// The version of the server's answer to a client that knows this one at most; none where it refuses.
fn answered(place: &str, version: (u8, u8)) -> std::io::Result<Option<(u8, u8)>> {
    let mut connected = Err(std::io::Error::other("the host has no address"));
    for address in place.to_socket_addrs()? {
        connected = TcpStream::connect_timeout(&address, LIMIT);
        if connected.is_ok() {
            break;
        }
    }
    let mut stream = connected?;
    stream.set_read_timeout(Some(LIMIT))?;
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    stream.write_all(&hello(host, version))?;
    // The record's head, the head of the handshake message, and the version.
    let mut head = [0; 11];
    match stream.read_exact(&mut head) {
        Ok(()) if head[0] == HANDSHAKE && head[5] == SERVER_HELLO => Ok(Some((head[9], head[10]))),
        // An alert, or the end.
        _ => Ok(None),
    }
}

/// A ClientHello.
fn hello(host: &str, version: (u8, u8)) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let sized = |bytes: &[u8]| [&length(bytes)[..], bytes].concat();
    let extension = |number: u16, body: &[u8]| [&number.to_be_bytes()[..], &sized(body)].concat();
    // ECDHE with AES, by ECDSA and RSA, in GCM and in CBC; RSA with AES in CBC, which old servers know.
    let suites: [u8; 20] = [
        0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xc0, 0x09, 0xc0, 0x13, 0xc0, 0x0a, 0xc0, 0x14, 0, 0x2f, 0,
        0x35,
    ];
    let mut extensions = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        extensions.extend(extension(0, &sized(&[&[0][..], &sized(host.as_bytes())].concat())));
    }
    // Groups x25519, secp256r1, secp384r1; points uncompressed; signatures by ECDSA and RSA.
    extensions.extend(extension(10, &sized(&[0, 0x1d, 0, 0x17, 0, 0x18])));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &sized(&[4, 3, 5, 3, 8, 4, 8, 5, 4, 1, 5, 1, 2, 1, 2, 3])));
    // "extended_master_secret", which some insist on.
    extensions.extend(extension(23, &[]));
    let random = [0x5a; 32];
    let body = [&[version.0, version.1][..], &random, &[0], &sized(&suites), &[1, 0], &sized(&extensions)].concat();
    let size = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let message = [&[1][..], &size[1..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &sized(&message)].concat()
}
