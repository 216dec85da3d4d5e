//! Who is calling: the address limits are counted by.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnetwork::IpNetwork;
use poem::{Endpoint, FromRequest, Middleware, Request, RequestBody, Result, http::HeaderMap};

/// The caller's address: the peer's, or what our own proxies say they forwarded for.
/// `0.0.0.0` where there is no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

impl<'a> FromRequest<'a> for ClientIp {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data().copied().unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into())))
    }
}

/// Puts the [`ClientIp`] into the request's data.
pub(crate) struct FindClientIp {
    /// The networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNetwork>,
}

impl<E: Endpoint> Middleware<E> for FindClientIp {
    type Output = FindClientIpEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        FindClientIpEndpoint { app, trusted_proxies: self.trusted_proxies.clone() }
    }
}

/// The endpoint of [`FindClientIp`].
pub(crate) struct FindClientIpEndpoint<E> {
    app: E,
    trusted_proxies: Vec<IpNetwork>,
}

impl<E: Endpoint> Endpoint for FindClientIpEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<Self::Output> {
        let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
        let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let client = client_ip(peer, request.headers(), &self.trusted_proxies);
        request.set_data(ClientIp(client));
        self.app.call(request).await
    }
}

/// Walks from the peer towards the client while the addresses are our proxies'. Whatever stands
/// left of the first stranger was written by that stranger and is not looked at.
fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNetwork]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
        .map(|hop| parse_hop(hop.trim()));
    let mut client = peer.to_canonical();
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        match hop {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address with or without a port; IPv6 with a port stands in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_forge_its_address() {
        assert_eq!(found("203.0.113.5", &["1.1.1.1"]), "203.0.113.5");
        assert_eq!(found("10.0.0.1", &["1.1.1.1, 203.0.113.5"]), "203.0.113.5");
        assert_eq!(found("10.0.0.1", &["1.1.1.1", "203.0.113.5"]), "203.0.113.5");
    }

    #[test]
    fn our_proxies_are_walked_through_from_the_right() {
        assert_eq!(found("10.0.0.1", &["6.6.6.6, 203.0.113.5, 10.1.1.1"]), "203.0.113.5");
        assert_eq!(found("fd00::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(found("10.0.0.1", &["10.2.2.2, 10.1.1.1"]), "10.2.2.2");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn an_unreadable_hop_ends_the_walk() {
        assert_eq!(found("10.0.0.1", &["203.0.113.5, unknown, 10.1.1.1"]), "10.1.1.1");
        assert_eq!(found("10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn ports_and_mapped_addresses_are_understood() {
        assert_eq!(found("::ffff:10.0.0.1", &["203.0.113.5:4711"]), "203.0.113.5");
        assert_eq!(found("10.0.0.1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(found("10.0.0.1", &["::ffff:203.0.113.5"]), "203.0.113.5");
    }
}
