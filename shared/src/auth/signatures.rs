//! Signatures of tokens by `ring`, for `jsonwebtoken`: its own ES256 in plain Rust takes several
//! times as long, and every login signs once. What is not here (RSA, `EdDSA`, other curves) signs and
//! checks nothing, whatever a token says.

use std::sync::{Arc, LazyLock};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind, Result},
    jwk::EllipticCurve,
    signature::{Error as SignatureError, Signer, Verifier},
};
use quick_cache::sync::Cache;
use ring::{
    digest::{SHA256, digest},
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};

/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

/// Reading a key takes nearly as long as signing with it, and `jsonwebtoken` has it read for each
/// token. By the SHA-256 of their bytes; there is one, two while it is changed.
static READ: LazyLock<Cache<Vec<u8>, Arc<EcdsaKeyPair>>> = LazyLock::new(|| Cache::new(16));

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        ec_pub_components_from_private_key: public_components,
        ..KeyUtils::new_unimplemented()
    },
};

/// Chooses these for the process; to be called before the first token.
pub(crate) fn install() {
    // An error only says that they were chosen before.
    let _ = PROVIDER.install_default();
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as `CryptoProvider` wants it")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::ES256, AlgorithmFamily::Ec) => Ok(Box::new(Es256(key_pair(key.as_bytes())?))),
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(hs256(key.as_bytes()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as `CryptoProvider` wants it")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match (algorithm, key.family()) {
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            let public = key.try_get_as_bytes()?.to_vec();
            Ok(Box::new(Es256Check(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public))))
        }
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(hs256(key.try_get_as_bytes()?))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn public_components(
    pkcs8: &[u8],
    algorithm: Algorithm,
) -> Result<(EllipticCurve, Vec<u8>, Vec<u8>)> {
    if algorithm != Algorithm::ES256 {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let pair = key_pair(pkcs8)?;
    // 4 says that both coordinates follow (SEC 1, 2.3.3).
    match pair.public_key().as_ref().split_first() {
        Some((4, both)) if both.len() == 2 * COORDINATE => {
            let (x, y) = both.split_at(COORDINATE);
            Ok((EllipticCurve::P256, x.to_vec(), y.to_vec()))
        }
        _ => Err(ErrorKind::InvalidEcdsaKey.into()),
    }
}

fn key_pair(pkcs8: &[u8]) -> Result<Arc<EcdsaKeyPair>> {
    READ.get_or_insert_with(digest(&SHA256, pkcs8).as_ref(), || {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new())
            .map(Arc::new)
            .map_err(|_| Error::from(ErrorKind::InvalidEcdsaKey))
    })
}

fn hs256(secret: &[u8]) -> Hs256 {
    Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

struct Es256(Arc<EcdsaKeyPair>);

impl Signer<Vec<u8>> for Es256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct Es256Check(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for Es256Check {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        self.0.verify(message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Es256Check {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Takes the same time wherever the two differ.
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use jsonwebtoken::crypto;

    use super::*;
    use crate::{
        auth::tokens::Tokens,
        config::{Auth, SigningKey},
    };

    /// RFC 7515, appendix A.3: somebody else's signature, by another implementation.
    const TEXT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA\
        6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
        pmWQxfKTUJqPP3-Kg6NU1Q";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    #[test]
    fn es256_is_what_others_sign_with() {
        crate::install_crypto();
        let key = DecodingKey::from_ec_components(X, Y).unwrap();
        let check = |text: &str, signature: &str| {
            crypto::verify(signature, text.as_bytes(), &key, Algorithm::ES256).unwrap()
        };
        assert!(check(TEXT, SIGNATURE));
        assert!(!check(&TEXT[1..], SIGNATURE));
        for length in [0, 40, 84] {
            assert!(!check(TEXT, &SIGNATURE[..length]), "{length}");
        }
    }

    #[test]
    fn hs256_is_what_others_sign_with() {
        crate::install_crypto();
        // RFC 4231, test case 2.
        let signed = crypto::sign(
            b"what do ya want for nothing?",
            &EncodingKey::from_secret(b"Jefe"),
            Algorithm::HS256,
        );
        assert_eq!(signed.unwrap(), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
    }

    #[test]
    fn nothing_else_signs_or_checks() {
        crate::install_crypto();
        let secret = (EncodingKey::from_secret(b"Jefe"), DecodingKey::from_secret(b"Jefe"));
        let curve = (EncodingKey::from_ec_der(b"Jefe"), DecodingKey::from_ec_der(b"Jefe"));
        for algorithm in [
            Algorithm::HS384,
            Algorithm::HS512,
            Algorithm::ES384,
            Algorithm::RS256,
            Algorithm::PS256,
            Algorithm::EdDSA,
        ] {
            for (signing, checking) in [&secret, &curve] {
                assert!(crypto::sign(b"-", signing, algorithm).is_err(), "{algorithm:?}");
                assert!(crypto::verify("-", b"-", checking, algorithm).is_err(), "{algorithm:?}");
            }
        }
        // Nor one kind with the key of the other.
        assert!(crypto::sign(b"-", &secret.0, Algorithm::ES256).is_err());
        assert!(crypto::verify("-", b"-", &secret.1, Algorithm::ES256).is_err());
        assert!(crypto::sign(b"-", &curve.0, Algorithm::HS256).is_err());
        assert!(crypto::verify("-", b"-", &curve.1, Algorithm::HS256).is_err());
    }

    /// As `openssl ec -no_public` writes them: the number alone.
    #[test]
    fn a_key_without_its_public_half_signs() {
        crate::install_crypto();
        let head = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
        let head = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16));
        let mut der: Vec<u8> = head.map(|byte| byte.unwrap()).collect();
        der.extend([7; 32]);
        let text = STANDARD.encode(der);
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n",
            &text[..64],
            &text[64..]
        );
        let key = SigningKey { private_key: Some(pem.into()), ..SigningKey::default() };
        let auth = Auth {
            keys: [("k1".to_owned(), key)].into(),
            signing_key: "k1".to_owned(),
            refresh_key: STANDARD.encode([1; 32]).into(),
            ..Auth::default()
        };
        assert!(Tokens::new(&auth).is_ok());
    }
}
