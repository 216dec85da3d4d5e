use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn get(query: &[(&str, &str)]) -> Result<Callback, Unreadable> {
    read(&pairs(query), Body::None)
}

fn form(form: &[(&str, &str)]) -> Result<Callback, Unreadable> {
    read(&[], Body::Form(&pairs(form)))
}

fn json(text: &str) -> Result<Callback, Unreadable> {
    read(&[], Body::Json(text.as_bytes()))
}

#[expect(clippy::unnecessary_wraps, reason = "as it is compared")]
fn found(
    authority: &str,
    kinds: &'static [Kind],
    reference: Option<i64>,
    hint: Option<Hint>,
) -> Result<Callback, Unreadable> {
    Ok(Callback { authority: authority.to_owned(), kinds, reference, hint })
}

#[test]
fn zarinpal_comes_back_with_authority_and_status_in_any_case() {
    let cases = [
        ("Authority", "Status", "OK", Some(Hint::Paid)),
        ("Authority", "Status", "NOK", Some(Hint::NotPaid)),
        ("authority", "status", "ok", Some(Hint::Paid)),
        ("AUTHORITY", "status", " nok ", Some(Hint::NotPaid)),
        ("Authority", "Status", "1", None),
        ("Authority", "Status", "", None),
    ];
    for (authority, status, word, hint) in cases {
        let read = get(&[(authority, "A01"), (status, word)]);
        assert_eq!(read, found("A01", ZARINPAL, None, hint), "{authority} {status} {word}");
    }
}

#[test]
fn an_authority_alone_may_be_any_gateways_and_claims_nothing() {
    let any = || found("A01", &Kind::ALL, None, None);
    assert_eq!(get(&[("Authority", " A01 ")]), any());
    assert_eq!(form(&[("authority", "A01")]), any());
    assert_eq!(json(r#"{"authority":"A01"}"#), any());
}

#[test]
fn payping_posts_a_form_with_the_payment_as_json_text() {
    let paid = r#"{"clientRefId":"o-1","paymentCode":"01J","paymentRefId":1234567890,"amount":1}"#;
    let pascal = r#"{"PaymentCode":"01J","PaymentRefId":"1234567890"}"#;
    let number = Some(1_234_567_890);
    for data in [paid, pascal] {
        let read = form(&[("status", "1"), ("errorCode", ""), ("data", data)]);
        assert_eq!(read, found("01J", PAYPING, number, Some(Hint::Paid)), "{data}");
    }
    let cancelled = r#"{"clientRefId":"o-1","paymentCode":"01J","amount":1}"#;
    for (status, hint) in
        [("0", Some(Hint::NotPaid)), ("-1", Some(Hint::NotPaid)), ("2", None), ("", None)]
    {
        let read = form(&[("Status", status), ("errorCode", "127"), ("Data", cancelled)]);
        assert_eq!(read, found("01J", PAYPING, None, hint), "{status}");
    }
}

#[test]
fn payping_as_json_has_its_payment_as_an_object_or_as_text() {
    let object = r#"{"status":1,"errorCode":null,"data":{"paymentCode":"01J","paymentRefId":77}}"#;
    let text = r#"{"status":"1","data":"{\"paymentCode\":\"01J\",\"paymentRefId\":77}"}"#;
    for body in [object, text] {
        assert_eq!(json(body), found("01J", PAYPING, Some(77), Some(Hint::Paid)), "{body}");
    }
}

#[test]
fn payping_in_its_old_flat_form() {
    let cases: [(&[(&str, &str)], _, _); 5] = [
        (&[("paymentCode", "01J"), ("paymentRefId", "77")], Some(77), Some(Hint::Paid)),
        (
            &[("paymentcode", "01J"), ("refid", "77"), ("clientrefid", "o"), ("cardnumber", "6")],
            Some(77),
            Some(Hint::Paid),
        ),
        (&[("paymentCode", "01J"), ("refid", "1")], None, Some(Hint::NotPaid)),
        (&[("paymentCode", "01J"), ("refid", "")], None, Some(Hint::NotPaid)),
        (&[("paymentCode", "01J")], None, None),
    ];
    for (fields, reference, hint) in cases {
        assert_eq!(form(fields), found("01J", PAYPING, reference, hint), "{fields:?}");
    }
}

#[test]
fn zibal_comes_back_by_get_or_posts_json() {
    let paid = [("success", "1"), ("trackId", "153"), ("orderId", "o"), ("status", "2")];
    assert_eq!(get(&paid), found("153", ZIBAL, None, Some(Hint::Paid)));
    let not = [("trackId", "153"), ("success", "0"), ("status", "3")];
    assert_eq!(get(&not), found("153", ZIBAL, None, Some(Hint::NotPaid)));
    assert_eq!(get(&[("trackid", "153")]), found("153", ZIBAL, None, None));
    for body in [r#"{"trackId":153,"success":1}"#, r#"{"trackId":"153","success":true}"#] {
        assert_eq!(json(body), found("153", ZIBAL, None, Some(Hint::Paid)), "{body}");
    }
}

#[test]
fn what_names_no_payment_is_nameless() {
    for query in [&[] as &[(&str, &str)], &[("x", "1")], &[("Authority", " ")], &[("Status", "OK")]]
    {
        assert_eq!(get(query), Err(Unreadable::Nameless), "{query:?}");
        assert_eq!(form(query), Err(Unreadable::Nameless), "{query:?}");
    }
    for body in ["", "null", "[]", "7", "{", "{}", r#"{"data":null}"#, r#"{"data":"{"}"#] {
        assert_eq!(json(body), Err(Unreadable::Nameless), "{body}");
    }
}

#[test]
fn what_is_no_name_is_malformed() {
    let long = "A".repeat(129);
    for wrong in [&*long, "A 1", "A\n1", "پرداخت", "A\u{0}1", "\u{7f}"] {
        assert_eq!(get(&[("Authority", wrong), ("Status", "OK")]), Err(Unreadable::Malformed));
        assert_eq!(form(&[("paymentCode", wrong)]), Err(Unreadable::Malformed));
        assert_eq!(get(&[("trackId", wrong)]), Err(Unreadable::Malformed));
    }
    let most = "A".repeat(128);
    assert_eq!(get(&[("Authority", &most)]), found(&most, &Kind::ALL, None, None));
}

#[test]
fn the_gateways_own_pairs_come_last_and_the_body_first() {
    let query = pairs(&[("Authority", "shop"), ("Authority", "A01"), ("Status", "OK")]);
    assert_eq!(read(&query, Body::None), found("A01", ZARINPAL, None, Some(Hint::Paid)));
    let body = pairs(&[("status", "1"), ("data", r#"{"paymentCode":"01J"}"#)]);
    let read = read(&query, Body::Form(&body));
    assert_eq!(read, found("01J", PAYPING, None, Some(Hint::Paid)));
}

#[test]
fn references_are_positive_whole_numbers() {
    for wrong in ["-5", "0", "9223372036854775808", "1e3", "7.0", "abc", "۷۷"] {
        let data = format!(r#"{{"paymentCode":"01J","paymentRefId":"{wrong}"}}"#);
        let read = form(&[("status", "1"), ("data", &data)]);
        assert_eq!(read, found("01J", PAYPING, None, Some(Hint::Paid)), "{wrong}");
    }
}

#[test]
fn nothing_that_comes_in_makes_it_panic_or_yields_a_strange_name() {
    const NAMES: [&str; 12] = [
        "Authority",
        "authority",
        "Status",
        "status",
        "data",
        "paymentCode",
        "paymentRefId",
        "refid",
        "trackId",
        "success",
        "TRACKID",
        "x",
    ];
    const PARTS: [&str; 16] = [
        "OK",
        "NOK",
        "1",
        "-1",
        "A01",
        "{",
        "}",
        "\"paymentCode\":",
        "\"01J\"",
        "[",
        ",",
        "\u{0}",
        "سلام",
        "\u{1f4b3}",
        "\\u0000",
        "9999999999999999999",
    ];
    let mut rng = StdRng::seed_from_u64(7);
    let mut readable = 0;
    for _ in 0..5_000 {
        let mut text = |most: usize| {
            let count = rng.random_range(0..=most);
            (0..count).map(|_| PARTS[rng.random_range(0..PARTS.len())]).collect::<String>()
        };
        let values = [text(1), text(3), text(12), text(60)];
        let mut fields = || {
            let count = rng.random_range(0..5);
            let pair = |_| {
                let name = NAMES[rng.random_range(0..NAMES.len())];
                (name.to_owned(), values[rng.random_range(0..values.len())].clone())
            };
            (0..count).map(pair).collect::<Vec<_>>()
        };
        let (query, form) = (fields(), fields());
        let object: serde_json::Map<_, _> =
            fields().into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        let object = Value::Object(object).to_string();
        for body in [
            Body::None,
            Body::Form(&form),
            Body::Json(object.as_bytes()),
            Body::Json(values[3].as_bytes()),
        ] {
            if let Ok(callback) = read(&query, body) {
                readable += 1;
                let name = callback.authority.as_bytes();
                assert!((1..=MAX_AUTHORITY).contains(&name.len()), "{callback:?}");
                assert!(name.iter().all(u8::is_ascii_graphic), "{callback:?}");
                assert!(callback.reference.is_none_or(|number| number > 1), "{callback:?}");
                assert!(!callback.kinds.is_empty());
            }
        }
    }
    assert!(readable > 500, "{readable}: it never came so far");
}

#[test]
fn bodies_beyond_any_bound_are_not_read() {
    let long = format!(r#"{{"x":"{}","authority":"A01"}}"#, "x".repeat(MAX_BODY));
    assert_eq!(json(&long), Err(Unreadable::Nameless));
    let deep = format!("{{\"data\":{}", "[".repeat(MAX_BODY / 2));
    assert_eq!(json(&deep), Err(Unreadable::Nameless));
}
