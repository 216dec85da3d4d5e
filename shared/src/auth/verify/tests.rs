//! What opens, and everything that does not.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, Header};
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{self, LegacyRefresh, SigningKey, random_signing_key},
    sessions::Session,
};

const REFRESH: &[u8] = b"a refresh key of thirty-two bytes";
const DJANGO: &str = "an-old-django-secret-key-of-fifty-characters-or-so";
const LEGACY: &str = "the-secret-key-of-the-system-before-this-one";

/// Keys, and tokens made with them and with others.
struct Mint {
    config: config::Auth,
    tokens: Tokens,
    now: DateTime<Utc>,
}

fn es256() -> SigningKey {
    let pem = random_signing_key(&mut rand::rng());
    SigningKey { private_key: Some(pem.into()), ..SigningKey::default() }
}

fn hs256(secret: &str) -> SigningKey {
    let algorithm = config::Algorithm::HS256;
    SigningKey { algorithm, secret: Some(secret.into()), ..SigningKey::default() }
}

impl Mint {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut config::Auth)) -> Self {
        crate::install_crypto();
        let keys = [("k1", es256()), ("k2", es256()), ("django", hs256(DJANGO))];
        let keys = keys.map(|(id, key)| (id.to_owned(), key));
        let mut config = config::Auth {
            keys: BTreeMap::from(keys),
            signing_key: "k1".to_owned(),
            refresh_key: base64::engine::general_purpose::STANDARD.encode(REFRESH).into(),
            issuer: Some("peyk".to_owned()),
            audience: Some("app".to_owned()),
            ..config::Auth::default()
        };
        change(&mut config);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self { tokens: Tokens::new(&config).unwrap(), config, now }
    }

    fn pem(&self, id: &str) -> &str {
        use secrecy::ExposeSecret;
        self.config.keys[id].private_key.as_ref().unwrap().expose_secret()
    }

    /// Claims of a good access token.
    fn claims(&self) -> Value {
        json!({"token_type": "access", "exp": self.now.timestamp() + 300, "user_id": "17",
            "sid": "9", "iss": "peyk", "aud": "app"})
    }

    fn with_claim(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    /// A token signed with the private key of `id`, its header said to be of `kid`.
    fn signed(&self, id: &str, kid: Option<&str>, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.pem(id).as_bytes()).unwrap();
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    fn check(&self, token: &str) -> Result<Bearer, TokenError> {
        self.tokens.read_access(token, self.now).map(|access| access.bearer)
    }

    fn check_claims(&self, claims: &Value) -> Result<Bearer, TokenError> {
        self.check(&self.signed("k1", Some("k1"), claims))
    }

    fn session(&self) -> Session {
        Session {
            id: 9,
            user_id: 17,
            refresh_generation: 3,
            refresh_issued_at: self.now,
            refresh_expires_at: self.now + TimeDelta::days(1),
        }
    }
}

/// A token with any header, signed with HMAC-SHA256.
fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// The token with another header over the same signature.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", BASE64.encode(header.to_string()))
}

#[test]
fn what_the_api_makes_opens_what_it_is_for_and_nothing_else() {
    let mint = Mint::new();
    let pair = mint.tokens.pair(&mint.session(), mint.now, &mut rand::rng());
    let bearer = mint.check(&pair.access).unwrap();
    assert_eq!((bearer.user_id, bearer.session_id), (17, 9));
    assert_eq!(bearer.expires_at, mint.now.timestamp() + 300);
    let Ok(Refresh::Own(presented)) = mint.tokens.read_refresh(&pair.refresh, mint.now) else {
        panic!("the refresh token is good");
    };
    assert_eq!(presented, Presented { user_id: 17, session_id: 9, generation: 3 });
    // Each in the other's place.
    assert_eq!(mint.check(&pair.refresh), Err(TokenError::WrongType));
    let crossed = mint.tokens.read_refresh(&pair.access, mint.now);
    assert_eq!(crossed.unwrap_err(), TokenError::WrongType);
    // And too late.
    let late = mint.now + TimeDelta::seconds(300);
    let access = mint.tokens.read_access(&pair.access, late);
    assert_eq!(access.unwrap_err(), TokenError::Expired);
    let late = mint.now + TimeDelta::days(1);
    let refresh = mint.tokens.read_refresh(&pair.refresh, late);
    assert_eq!(refresh.unwrap_err(), TokenError::Expired);
}

#[test]
fn what_is_known_of_a_new_access_token_is_what_a_check_finds() {
    let until = DateTime::from_timestamp(1_800_000_200, 0);
    let mint = Mint::with(|config| config.keys.get_mut("k1").unwrap().verify_until = until);
    let ending =
        Session { refresh_expires_at: mint.now + TimeDelta::seconds(42), ..mint.session() };
    for session in [mint.session(), ending] {
        let (pair, known) = mint.tokens.known_pair(&session, mint.now, &mut rand::rng());
        assert_eq!(mint.tokens.read_access(&pair.access, mint.now), Ok(known));
        assert_eq!(known.key_until, until.map(|until| until.timestamp()));
    }
}

#[test]
fn an_access_token_never_outlives_its_session() {
    let mint = Mint::new();
    let refresh_expires_at = mint.now + TimeDelta::seconds(42);
    let session = Session { refresh_expires_at, ..mint.session() };
    let pair = mint.tokens.pair(&session, mint.now, &mut rand::rng());
    assert_eq!(mint.check(&pair.access).unwrap().expires_at, mint.now.timestamp() + 42);
}

#[test]
fn a_refresh_token_of_a_version_that_could_not_refresh_is_the_first_of_its_family() {
    let mint = Mint::new();
    let claims = mint.with_claim("token_type", json!("refresh"));
    let token = hmac_signed(&json!({"alg": "HS256"}), &claims, REFRESH);
    let Ok(Refresh::Own(presented)) = mint.tokens.read_refresh(&token, mint.now) else {
        panic!("it is good");
    };
    assert_eq!(presented.generation, 1);
}

#[test]
fn claims_are_read_in_every_form_they_are_written_in() {
    let mint = Mint::new();
    let soon = mint.now.timestamp() + 1;
    for (name, value) in [
        ("exp", json!(soon)),
        ("exp", json!(1_800_000_001.5)),
        ("exp", json!(8_000_000_000_000_000_i64)),
        ("nbf", json!(mint.now.timestamp())),
        ("nbf", json!(1_799_999_999.9)),
        ("nbf", json!(-5)),
        ("user_id", json!(17)),
        ("sid", json!(9)),
        ("aud", json!(["other", "app"])),
        ("extra", json!({"deep": [1, 2]})),
    ] {
        let read = mint.check_claims(&mint.with_claim(name, value.clone()));
        let read = read.unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        assert_eq!((read.user_id, read.session_id), (17, 9));
    }
}

#[test]
fn claims_without_meaning_open_nothing() {
    let mint = Mint::new();
    let now = mint.now.timestamp();
    for (name, values) in [
        ("exp", vec![json!("1900000000"), json!(null), json!(true), json!(1e300), json!(1e18)]),
        ("exp", vec![json!(u64::MAX), json!(i64::MAX), json!(-1e300), json!([now + 9])]),
        ("nbf", vec![json!(now + 1), json!(1_800_000_000_000_i64), json!("0"), json!(null)]),
        ("iss", vec![json!("other"), json!(""), json!(null), json!(["peyk"]), json!(5)]),
        ("aud", vec![json!("other"), json!([]), json!(["other"]), json!(null), json!({"app": 1})]),
        ("token_type", vec![json!("refresh"), json!("sliding"), json!(null), json!("ACCESS")]),
        ("user_id", vec![json!(""), json!("-1"), json!("+5"), json!(" 5"), json!("5.0")]),
        ("user_id", vec![json!(0), json!(-1), json!(1.5), json!(true), json!(null), json!([17])]),
        ("user_id", vec![json!("99999999999999999999"), json!(1e300), json!("۱۷"), json!("0x11")]),
        ("sid", vec![json!(""), json!("nine"), json!(0), json!(null), json!(u64::MAX)]),
    ] {
        for value in values {
            let claims = mint.with_claim(name, value.clone());
            assert_eq!(mint.check_claims(&claims), Err(TokenError::Invalid), "{name} {value}");
        }
    }
    for name in ["exp", "iss", "aud", "token_type", "user_id", "sid"] {
        assert_eq!(mint.check_claims(&mint.without(name)), Err(TokenError::Invalid), "{name}");
    }
    for past in [json!(now), json!(0), json!(-1), json!(-1_800_000_000_i64), json!(1_799_999_999.9)]
    {
        let claims = mint.with_claim("exp", past.clone());
        assert_eq!(mint.check_claims(&claims), Err(TokenError::Expired), "{past}");
    }
}

#[test]
fn without_an_issuer_and_an_audience_of_our_own_none_is_asked_for() {
    let mint = Mint::with(|config| (config.issuer, config.audience) = (None, None));
    for claims in [mint.claims(), mint.without("iss"), mint.without("aud")] {
        assert!(mint.check_claims(&claims).is_ok(), "{claims}");
    }
}

#[test]
fn the_algorithm_is_that_of_the_key_whatever_the_header_says() {
    let mint = Mint::new();
    let good = mint.signed("k1", Some("k1"), &mint.claims());
    assert!(mint.check(&good).is_ok());
    let (text, _) = good.rsplit_once('.').unwrap();
    let claims = mint.claims();
    let mut forged = Vec::new();
    // No signature at all.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "kid": "k1"});
        let unsigned = with_header(&format!("{text}."), &header);
        forged.extend([unsigned.clone(), unsigned.trim_end_matches('.').to_owned()]);
        forged.push(with_header(&good, &header));
    }
    // HMAC with what everybody knows: the public key, in each of its forms.
    let secret = p256::SecretKey::from_pkcs8_pem(mint.pem("k1")).unwrap();
    let pem = secret.public_key().to_public_key_pem(LineEnding::LF).unwrap();
    let jwk = serde_json::to_string(mint.tokens.public_keys(mint.now)[0]).unwrap();
    let der = secret.public_key().to_public_key_der().unwrap();
    for known in [pem.as_bytes(), pem.trim().as_bytes(), jwk.as_bytes(), der.as_bytes(), b""] {
        for kid in [Some("k1"), Some("django"), None] {
            forged.push(hmac_signed(&json!({"alg": "HS256", "kid": kid}), &claims, known));
        }
    }
    // Other algorithms over a good signature, or over one of their length.
    for alg in ["ES384", "ES512", "RS256", "PS256", "EdDSA", "HS256", "HS512"] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": "k1"});
        forged.push(with_header(&good, &header));
        forged.push(with_header(&format!("{text}.{}", BASE64.encode([1; 96])), &header));
    }
    // A key of the same curve that is not ours, and a symmetric key under the name of another.
    let stranger = Mint::new();
    forged.push(stranger.signed("k1", Some("k1"), &claims));
    forged.push(hmac_signed(&json!({"alg": "HS256", "kid": "k1"}), &claims, DJANGO.as_bytes()));
    for token in forged {
        assert_eq!(mint.check(&token), Err(TokenError::Invalid), "{token}");
    }
    let django = hmac_signed(&json!({"alg": "HS256", "kid": "django"}), &claims, DJANGO.as_bytes());
    assert!(mint.check(&django).is_ok(), "its own algorithm is fine");
}

#[test]
fn the_key_is_the_one_the_header_names_and_never_one_it_brings() {
    let mint = Mint::new();
    let claims = mint.claims();
    for kid in ["k2", "django", "k3", "", "K1", "k1 ", "../k1", "../../../../dev/null", "k1\0"] {
        let token = mint.signed("k1", Some(kid), &claims);
        assert_eq!(mint.check(&token), Err(TokenError::Invalid), "{kid:?}");
    }
    assert_eq!(mint.check(&mint.signed("k1", None, &claims)), Err(TokenError::Invalid));
    assert!(mint.check(&mint.signed("k2", Some("k2"), &claims)).is_ok());
    // A stranger's key in the header: the signature is good for it, not for ours.
    let stranger = Mint::new();
    let brought = stranger.tokens.public_keys(mint.now)[0].clone();
    let header = |mut header: Header| {
        header.jku = Some("https://evil.example/jwks.json".to_owned());
        header.x5u = Some("https://evil.example/cert.pem".to_owned());
        header.jwk = Some(brought.clone());
        header.kid = Some("k1".to_owned());
        header
    };
    let sign = |pem: &str, header: &Header| {
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(header, &claims, &key).unwrap()
    };
    let plain = header(Header::new(Algorithm::ES256));
    assert_eq!(mint.check(&sign(stranger.pem("k1"), &plain)), Err(TokenError::Invalid));
    // The same members beside our own signature are nothing to us …
    assert!(mint.check(&sign(mint.pem("k1"), &plain)).is_ok());
    // … but a token that demands to be understood in a way of its own is refused.
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..plain };
    assert_eq!(mint.check(&sign(mint.pem("k1"), &critical)), Err(TokenError::Invalid));
}

#[test]
fn a_token_that_is_not_whole_opens_nothing() {
    let mint = Mint::new();
    let good = mint.signed("k1", Some("k1"), &mint.claims());
    let parts: Vec<&str> = good.split('.').collect();
    let mut broken: Vec<String> = (0..good.len()).map(|end| good[..end].to_owned()).collect();
    let other = BASE64.encode(mint.with_claim("user_id", json!("18")).to_string());
    broken.extend([
        format!("{}.{other}.{}", parts[0], parts[2]),
        format!("{good}."),
        format!("{good}.x"),
        format!(".{good}"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace('.', ".."),
        good.to_uppercase(),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        "..".to_owned(),
        "توکن.من.است".to_owned(),
        format!("{}é", &good[..good.len() - 1]),
        "a".repeat(10_240),
        format!("{good}{}", "A".repeat(10_240)),
    ]);
    // Each character of the signature counts.
    for at in good.len() - parts[2].len()..good.len() {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        broken.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
    }
    for token in broken {
        assert_eq!(mint.check(&token), Err(TokenError::Invalid), "{token}");
        assert_eq!(mint.tokens.read_refresh(&token, mint.now).unwrap_err(), TokenError::Invalid);
    }
    // A good token of 10 KB is too much as well.
    let large = mint.with_claim("extra", json!("x".repeat(10_240)));
    assert_eq!(mint.check_claims(&large), Err(TokenError::Invalid));
}

#[test]
fn a_key_checks_until_its_overlap_ends_and_is_published_as_long() {
    let end = DateTime::from_timestamp(1_800_000_060, 0).unwrap();
    let mint = Mint::with(|config| {
        config.keys.get_mut("k2").unwrap().verify_until = Some(end);
    });
    let token = mint.signed("k2", Some("k2"), &mint.claims());
    let published = |now| -> Vec<_> {
        let keys = mint.tokens.public_keys(now).into_iter();
        keys.map(|key| key.common.key_id.clone().unwrap()).collect()
    };
    let before = end - TimeDelta::seconds(1);
    assert!(mint.tokens.read_access(&token, before).is_ok());
    assert_eq!(published(before), ["k1", "k2"]);
    assert_eq!(mint.tokens.read_access(&token, end).unwrap_err(), TokenError::Invalid);
    assert_eq!(published(end), ["k1"]);
}

mod legacy {
    use super::*;

    fn mint(secret: &'static str) -> Mint {
        Mint::with(|config| {
            config.legacy_refresh = Some(LegacyRefresh {
                secret: secret.into(),
                until: DateTime::from_timestamp(1_800_086_400, 0).unwrap(),
                user_id_claim: "uid".to_owned(),
            });
        })
    }

    /// As simplejwt writes them.
    fn claims(mint: &Mint) -> Value {
        json!({"token_type": "refresh", "exp": mint.now.timestamp() + 1_000_000, "iat": 7,
            "jti": "5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c", "uid": 17})
    }

    fn old(claims: &Value, secret: &str) -> String {
        hmac_signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, secret.as_bytes())
    }

    #[test]
    fn an_old_refresh_token_is_read_until_the_last_day() {
        let mint = mint(LEGACY);
        let token = old(&claims(&mint), LEGACY);
        let Ok(Refresh::Legacy(legacy)) = mint.tokens.read_refresh(&token, mint.now) else {
            panic!("it is good");
        };
        assert_eq!((legacy.user_id, legacy.issued_at.timestamp()), (17, 7));
        assert_eq!(legacy.expires_at.timestamp(), mint.now.timestamp() + 1_000_000);
        let end = DateTime::from_timestamp(1_800_086_400, 0).unwrap();
        assert!(mint.tokens.read_refresh(&token, end - TimeDelta::seconds(1)).is_ok());
        let late = mint.tokens.read_refresh(&token, end).unwrap_err();
        assert_eq!(late, TokenError::Invalid);
        let unset = Mint::new().tokens.read_refresh(&token, mint.now).unwrap_err();
        assert_eq!(unset, TokenError::Invalid);
        assert_eq!(mint.check(&token), Err(TokenError::Invalid), "it is no access token");
    }

    #[test]
    fn nothing_else_of_the_old_system_is_read() {
        // Also with one secret for everything, as the page on moving allows.
        for secret in [LEGACY, std::str::from_utf8(REFRESH).unwrap()] {
            let mint = mint(secret);
            let refused = |token: &str| mint.tokens.read_refresh(token, mint.now).unwrap_err();
            let with = |name: &str, value: Value| {
                let mut claims = claims(&mint);
                claims[name] = value;
                refused(&old(&claims, secret))
            };
            for kind in ["access", "sliding", ""] {
                assert_eq!(with("token_type", json!(kind)), TokenError::WrongType);
            }
            assert_eq!(with("exp", json!(mint.now.timestamp())), TokenError::Expired);
            for (name, value) in [
                ("exp", json!(1e300)),
                ("iat", json!(null)),
                ("iat", json!("7")),
                ("uid", json!(null)),
                ("uid", json!("seventeen")),
                ("jti", json!(null)),
                ("jti", json!("")),
                ("jti", json!("x".repeat(256))),
                ("sid", json!("9")),
            ] {
                assert_eq!(with(name, value.clone()), TokenError::Invalid, "{name} {value}");
            }
            let claims = claims(&mint);
            assert_eq!(
                refused(&old(&claims, "a-secret-of-nobody-at-all-anywhere")),
                TokenError::Invalid
            );
            for header in [
                json!({"alg": "HS256", "kid": "k1"}),
                json!({"alg": "HS512"}),
                json!({"alg": "none"}),
                json!({"alg": "HS256", "crit": ["exp"]}),
            ] {
                let token = hmac_signed(&header, &claims, secret.as_bytes());
                assert_eq!(refused(&token), TokenError::Invalid, "{header}");
            }
            let mut access = claims.clone();
            access["token_type"] = json!("access");
            assert!(mint.check(&old(&access, secret)).is_err());
        }
    }
}
