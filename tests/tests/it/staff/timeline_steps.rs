//! What the tests of timelines do again and again.

use peyk_tests::{
    fake::{Behaviour, Delivered, FakeKavenegar},
    harness::{Answer, PATIENCE, Peyk, fresh_mobile, look_within, wait_for},
};
use serde_json::Value;

use crate::{
    login_steps::text,
    people::{Person, column},
};

/// The timeline of whatever this is, whole.
pub(super) async fn timeline(peyk: &Peyk, by: &Person, search: &str) -> Answer {
    timeline_in(peyk, by, search, "").await
}

/// The same with more parameters.
pub(super) async fn timeline_in(peyk: &Peyk, by: &Person, search: &str, more: &str) -> Answer {
    let url = reqwest::Url::parse_with_params("http://peyk/", [("search", search)]).unwrap();
    let query = url.query().unwrap();
    let answer = by.get(peyk, &format!("admin/timeline/?{query}{more}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// What happened, oldest first; where things are kept no longer is left out.
pub(super) fn codes(page: &Answer) -> Vec<String> {
    let codes = column(page, "code").into_iter().rev().filter_map(Value::as_str);
    codes.filter(|code| *code != "purged").map(str::to_owned).collect()
}

/// The latest item with this code.
pub(super) fn item<'a>(page: &'a Answer, code: &str) -> &'a Value {
    let items = page.json["results"].as_array().unwrap();
    let found = items.iter().find(|item| item["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {page:?}"))
}

/// Waits until the timeline has so many of these; what goes wrong is written behind the answer.
pub(super) async fn wait_for_items(
    peyk: &Peyk,
    by: &Person,
    search: &str,
    (code, wanted): (&str, usize),
) -> Answer {
    wait_for(&format!("{wanted} {code}"), || async {
        let page = timeline(peyk, by, search).await;
        let found = codes(&page).iter().filter(|one| *one == code).count();
        (found == wanted).then_some(page)
    })
    .await
}

/// Waits for this answer to "why does no code come".
pub(super) async fn wait_for_verdict(
    peyk: &Peyk,
    by: &Person,
    search: &str,
    verdict: &str,
) -> Answer {
    let found = look_within(PATIENCE, || async {
        let page = timeline(peyk, by, search).await;
        (page.json["answer"]["verdict"] == verdict).then_some(page)
    });
    match found.await {
        Some(page) => page,
        None => panic!("not {verdict}: {:?}", timeline(peyk, by, search).await),
    }
}

/// The code that the handset of this number shows.
pub(super) async fn received(fake: &FakeKavenegar, mobile: &str) -> String {
    wait_for("the text", || async {
        let text = match fake.effects_to(mobile).pop()?.content {
            Delivered::Text(text) => text,
            Delivered::Template { tokens, .. } => tokens.first()?.1.clone(),
        };
        let digits: Vec<_> = text.split(|c: char| !c.is_ascii_digit()).collect();
        digits.into_iter().find(|digits| digits.len() >= 4).map(str::to_owned)
    })
    .await
}

/// Somebody on the staff whose codes come through this provider.
pub(super) async fn staff_through(peyk: &Peyk, fake: &FakeKavenegar, role: &str) -> Person {
    let mobile = fresh_mobile();
    let sent = peyk.send_otp(&mobile).await;
    assert!([200, 202].contains(&sent.status), "{sent:?}");
    let code = received(fake, &mobile).await;
    let login = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(login.status, 200, "{login:?}");
    let id = login.json["user"]["id"].as_i64().unwrap();
    let person = Person { id, mobile, token: text(&login, "access") };
    person.join_staff(peyk, role).await;
    person
}

/// Sends a code to a new number while the provider behaves so.
pub(super) async fn sent_while(peyk: &Peyk, fake: &FakeKavenegar, behaviour: Behaviour) -> String {
    let mobile = fresh_mobile();
    fake.behave_to(&mobile, behaviour);
    peyk.send_otp_async(&mobile).await;
    mobile
}
