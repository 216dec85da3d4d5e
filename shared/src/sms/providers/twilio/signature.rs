//! `X-Twilio-Signature`, checked as Twilio's own libraries check it
//! (<https://www.twilio.com/docs/usage/security#validating-requests>).
//!
//! It is made over the public address and the fields of the form, or, for other bodies, over an
//! address whose query holds the hash of the body. It holds no time: the same request sent twice
//! is genuine twice, which is harmless because a report never takes a message back and a text
//! has its id. Requests signed with a shared key (HMAC-SHA256, a header of their own) are refused.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::WebhookRequest;

/// Whether somebody who knows the account's token made this request.
pub(super) fn is_genuine(request: &WebhookRequest, auth_token: &str) -> bool {
    let Some(signature) = request.header("x-twilio-signature") else { return false };
    let Some(fields) = signed_fields(request) else { return false };
    // Twilio leaves the port out of what it signs or puts the default one in, as it likes.
    let genuine = spellings(&request.url)
        .map(|url| make(&url, &fields, auth_token).as_bytes().ct_eq(signature.as_bytes()));
    genuine.into_iter().any(bool::from)
}

/// The signed part of the body: each name's distinct values. `None` if the body is not covered by
/// the signature, or not the one that was.
fn signed_fields(request: &WebhookRequest) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let mut fields = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, value) in request.form() {
        fields.entry(name).or_default().insert(value);
    }
    if request.body.is_empty() || !fields.is_empty() {
        return Some(fields);
    }
    let (_, hash) = request.query.iter().find(|(name, _)| name == "bodySHA256")?;
    let digest = Sha256::digest(&request.body);
    let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let body: String = halves.filter_map(|half| char::from_digit(half.into(), 16)).collect();
    bool::from(body.as_bytes().ct_eq(hash.as_bytes())).then_some(fields)
}

fn make(url: &str, fields: &BTreeMap<String, BTreeSet<String>>, auth_token: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in fields.iter().flat_map(|(k, values)| values.iter().map(move |v| (k, v))) {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The address without a port, and with its own or the default one.
fn spellings(url: &str) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else {
        return [url.to_owned(), url.to_owned()];
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let default = if scheme == "https" { "443" } else { "80" };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => (name, port),
        _ => (host, default),
    };
    [format!("{scheme}://{name}{path}"), format!("{scheme}://{name}:{port}{path}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelled_with_and_without_its_port() {
        let cases = [
            ("https://a.b/c?d=1:2", ["https://a.b/c?d=1:2", "https://a.b:443/c?d=1:2"]),
            ("https://a.b:443/c", ["https://a.b/c", "https://a.b:443/c"]),
            ("https://a.b:8443/c", ["https://a.b/c", "https://a.b:8443/c"]),
            ("http://127.0.0.1?x", ["http://127.0.0.1?x", "http://127.0.0.1:80?x"]),
            ("http://[::1]/c", ["http://[::1]/c", "http://[::1]:80/c"]),
            ("http://[::1]:8080/c", ["http://[::1]/c", "http://[::1]:8080/c"]),
        ];
        for (url, expected) in cases {
            assert_eq!(spellings(url), expected, "{url}");
        }
    }
}
