//! Who is at the other end. A proxy in between says so in a header, and only one that is named in `behind_proxy` is
//! believed; scheme and host are never taken from a header, since `public_url` says them.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

use crate::config::Config;

/// The client's address: the last one on the way that is not a known proxy's.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    if !config.is_proxy(peer) {
        return peer;
    }
    let texts = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|part| part.trim().to_owned()).collect()
    };
    let mut hops: Vec<Option<IpAddr>> = texts(FORWARDED.as_str()).iter().map(|hop| forwarded_for(hop)).collect();
    if hops.is_empty() {
        hops = texts("x-forwarded-for").iter().map(|hop| address(hop)).collect();
    }
    let mut nearest = peer;
    // From the near end: what a client wrote itself stands further away and is not reached.
    for hop in hops.into_iter().rev() {
        let Some(address) = hop else { break };
        nearest = address;
        if !config.is_proxy(address) {
            break;
        }
    }
    nearest
}

/// `for="[2001:db8::1]:4711";proto=https`: RFC 7239, 4.
fn forwarded_for(hop: &str) -> Option<IpAddr> {
    let (_, value) = hop
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_a_named_proxy_is_believed_and_only_as_far_as_proxies_are_named() {
        let mut config = Config::default();
        config.behind_proxy = vec!["10.0.0.0/8".parse().unwrap()];
        let ask = |peer: &str, headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            client(peer.parse().unwrap(), &headers, &config).to_string()
        };
        let header = [("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.7")];
        assert_eq!(ask("9.9.9.9", &header), "9.9.9.9", "a stranger's header says nothing");
        assert_eq!(ask("10.0.0.1", &header), "2.2.2.2", "1.1.1.1 is only what 2.2.2.2 claims");
        assert_eq!(ask("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", &[("x-forwarded-for", "unknown")]), "10.0.0.1");
        assert_eq!(
            ask("10.0.0.1", &[("forwarded", "for=1.1.1.1, For=\"[2001:db8::1]:99\";proto=https")]),
            "2001:db8::1"
        );
        assert_eq!(ask("10.0.0.1", &[("forwarded", "for=3.3.3.3;by=10.0.0.1")]), "3.3.3.3");
    }
}
