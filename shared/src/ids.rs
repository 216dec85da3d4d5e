//! Random identifiers.

use rand::Rng;

/// A 128-bit random handle, 32 lower-case hex digits: what anonymous callers are given.
pub fn random_handle(rng: &mut impl Rng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// A random number of 1 to 2^63 - 1: a provider's idempotency key.
pub fn random_local_id(rng: &mut impl Rng) -> i64 {
    i64::try_from(rng.next_u64() >> 1).map_or(1, |id| id.max(1))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Whether `text` has the form of a [`random_handle`].
pub fn is_handle(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A name for this run of this process, unlike any other's: `api-1f3a…`.
pub fn process_name(kind: &str, rng: &mut impl Rng) -> String {
    let handle = random_handle(rng);
    format!("{kind}-{}", &handle[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_have_their_form() {
        let handle = random_handle(&mut rand::rng());
        assert!(is_handle(&handle), "{handle}");
        assert!(!is_handle("0123") && !is_handle(&handle.to_uppercase().replace('0', "A")));
    }

    #[test]
    fn local_ids_are_positive() {
        let mut rng = rand::rng();
        assert!((0..1000).all(|_| random_local_id(&mut rng) > 0));
    }
}
