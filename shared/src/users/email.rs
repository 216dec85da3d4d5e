//! E-mail addresses, as far as their form goes: nobody is asked whether they are there.

use std::net::IpAddr;

/// Characters an address has at most.
pub const LONGEST: usize = 254;

/// Whether the text has the form of an address, by Django's rules.
pub fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.rsplit_once('@') else { return false };
    text.chars().count() <= LONGEST && is_user(user) && is_domain(domain)
}

fn is_user(user: &str) -> bool {
    let atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom);
    user.split('.').all(atom) || is_quoted(user)
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-!#$%&'*+/=?^_`{}|~".contains(&byte)
}

/// `"anything but \ and "`, which need a `\` before them.
fn is_quoted(user: &str) -> bool {
    let inner = user.strip_prefix('"').and_then(|user| user.strip_suffix('"'));
    let Some(inner) = inner else { return false };
    let plain =
        |byte: u8| matches!(byte, 1..=8 | 11 | 12 | 14..=31 | b'!' | b'#'..=b'[' | b']'..=127);
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'\\' => bytes.next().is_some_and(|byte| matches!(byte, 1..=9 | 11 | 12 | 14..=127)),
            byte => plain(byte),
        };
        if !fine {
            return false;
        }
    }
    true
}

fn is_domain(domain: &str) -> bool {
    if domain == "localhost" {
        return true;
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<IpAddr>().is_ok();
    }
    let Some((names, top)) = domain.rsplit_once('.') else { return false };
    names.split('.').all(is_label) && is_label(top) && is_top_level(top)
}

fn is_label(label: &str) -> bool {
    let fine = |char: char| char.is_ascii_alphanumeric() || is_foreign(char) || char == '-';
    let edge = |label: &str| label.starts_with('-') || label.ends_with('-');
    (1..=63).contains(&label.chars().count()) && !edge(label) && label.chars().all(fine)
}

/// Letters only, or Punycode.
fn is_top_level(label: &str) -> bool {
    let letter = |char: char| char.is_ascii_alphabetic() || is_foreign(char) || char == '-';
    let punycode = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_punycode = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    (label.chars().count() >= 2 && label.chars().all(letter))
        || (is_punycode && punycode(&label[4..]))
}

fn is_foreign(char: char) -> bool {
    ('\u{a1}'..='\u{ffff}').contains(&char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts_as_django_does() {
        for email in [
            "a@example.com",
            "A.b+c_d@sub.example.co",
            "!#$%&'*+/=?^_`{}|~-@example.com",
            "\"quoted\\ @\\ \\\"\u{7f}\"@example.com",
            "a@localhost",
            "a@[127.0.0.1]",
            "a@[::1]",
            "a@نمونه.ایران",
            "a@xn--mgbh0fb.xn--kgbechtv",
            "a@1.example",
            "a@b.xn--x",
        ] {
            assert!(is_email(email), "{email}");
        }
        for text in [
            "",
            "nope",
            "@example.com",
            "a@",
            "a@b",
            "a@b.c",
            "a@b.c1",
            "a b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "é@example.com",
            "a@exa mple.com",
            "a@-example.com",
            "a@example-.com",
            "a@example..com",
            "a@.com",
            "a@example.com.",
            "a@example.com\n",
            "a@[300.0.0.1]",
            "a@[x]",
            "\"@example.com",
            "\"a\"b\"@example.com",
            "a@b@example.com",
            "a@xn--.com",
            "a@b.xn--",
        ] {
            assert!(!is_email(text), "{text}");
        }
        assert!(!is_email(&format!("a@{}.com", "b".repeat(64))));
        assert!(!is_email(&format!("{}@example.com", "a".repeat(243))));
        assert!(is_email(&format!("{}@example.com", "a".repeat(242))));
    }
}
