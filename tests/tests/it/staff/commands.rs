//! `api staff` and `api createsuperuser`.

use peyk_tests::harness::{Peyk, fresh_mobile};
use reqwest::Method;
use serde_json::json;

use crate::{
    login_steps::{count, patient, text},
    people::{Person, ask, column},
};

async fn api(peyk: &Peyk, arguments: &[&str]) -> (bool, String) {
    peyk.run("api", arguments).await
}

#[tokio::test]
async fn staff_is_listed_granted_and_revoked_on_the_command_line() {
    let peyk = patient().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let names = [&sara, &omid].map(|person| format!("G0-{}", person.mobile));
    let [first, second] = names.each_ref().map(String::as_str);
    assert_eq!(api(&peyk, &["staff", "list"]).await, (true, String::new()), "nobody by default");
    let (worked, said) = api(&peyk, &["staff", "grant", first, "admin"]).await;
    assert!(worked && said.contains("is admin now"), "{said}");
    assert!(api(&peyk, &["staff", "grant", second, "viewer"]).await.0);
    let (_, listed) = api(&peyk, &["staff", "list"]).await;
    let mut lines: Vec<_> = listed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [format!("1  admin  {first}"), format!("2  viewer  {second}")]);
    assert_eq!(sara.get(&peyk, "admin/audit/").await.status, 200);

    for (arguments, sentence) in [
        (["grant", first, "admin"].as_slice(), "that already"),
        (&["grant", "nobody", "admin"], "no account"),
        (&["grant", first, "superuser"], "viewer, support, finance, admin"),
        (&["revoke", "nobody"], "no account"),
        (&["revoke", first], "the last admin"),
        (&["grant", first, "viewer"], "the last admin"),
    ] {
        let (worked, said) = api(&peyk, &[&["staff"], arguments].concat()).await;
        assert!(!worked && said.contains(sentence), "{arguments:?}: {said}");
    }
    assert!(api(&peyk, &["staff", "revoke", second]).await.0);
    assert_eq!(omid.get(&peyk, "admin/users/").await.status, 403);
    assert!(api(&peyk, &["staff", "revoke", first, "--force"]).await.0);
    assert_eq!(count(&peyk, "SELECT count(*) FROM users WHERE role IS NOT NULL").await, 0);
    let (_, log) = api(&peyk, &["audit", "list", "--subject", "user"]).await;
    let actions: Vec<_> = log.lines().filter_map(|line| line.split("  ").nth(2)).collect();
    let [granted, revoked] = ["staff.granted", "staff.revoked"];
    assert_eq!(actions, [revoked, revoked, granted, granted]);
    assert!(log.lines().all(|line| line.contains("  cli  ")), "{log}");
}

/// A disabled admin cannot do anything: they do not count.
#[tokio::test]
async fn the_last_admin_is_the_last_who_may_log_in() {
    let peyk = patient().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    sara.join_staff(&peyk, "admin").await;
    omid.join_staff(&peyk, "admin").await;
    peyk.database.execute("UPDATE users SET is_active = false WHERE id = 2").await;
    assert_eq!(omid.id, 2);
    let name = format!("G0-{}", sara.mobile);
    let (worked, said) = api(&peyk, &["staff", "revoke", &name]).await;
    assert!(!worked && said.contains("the last admin"), "{said}");
    let name = format!("G0-{}", omid.mobile);
    assert!(api(&peyk, &["staff", "revoke", &name]).await.0);
}

const PASSWORD: &str = "a Long pass-phrase 7";

#[tokio::test]
async fn the_first_admin_is_made_on_the_command_line_and_logs_in_by_password_and_by_code() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let make = [
        "createsuperuser",
        "--username",
        "sara",
        "--email",
        "sara@example.com",
        "--phone",
        &mobile,
        "--password-stdin",
    ];
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 0, "no default account");
    let (worked, said) = peyk.run_fed(&format!("{PASSWORD}\r\n"), "api", &make).await;
    assert!(worked && said.contains("sara is admin now"), "{said}");
    let body = json!({"username": "sara", "password": PASSWORD});
    let by_password = peyk.post("/api/login/", &body).await;
    assert_eq!(by_password.status, 200, "{by_password:?}");
    let by_code = Person::with(&peyk, &mobile).await;
    for token in [text(&by_password, "access"), by_code.token.clone()] {
        let path = "admin/audit/?action=staff.created";
        let answer = ask(&peyk, 0, Method::GET, path, Some(&token), None).await;
        assert_eq!(column(&answer, "action"), ["staff.created"]);
        assert_eq!(answer.json["results"][0]["actor"], "cli");
    }
    assert!(!peyk.output().contains(PASSWORD) && !said.contains(PASSWORD));
    for (name, phone) in [("sara", &fresh_mobile()), ("omid", &mobile)] {
        let again = ["createsuperuser", "--username", name, "--phone", phone, "--password-stdin"];
        let (worked, said) = peyk.run_fed(PASSWORD, "api", &again).await;
        assert!(!worked && said.contains("staff grant"), "{said}");
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn no_admin_is_made_with_a_weak_password_or_without_a_way_in() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    let make = async |input: &str, more: &[&str]| {
        let arguments = [&["createsuperuser", "--password-stdin"], more].concat();
        let (worked, said) = peyk.run_fed(input, "api", &arguments).await;
        assert!(!worked && !said.contains("sara.ahmadi9"), "{said}");
        said
    };
    let sara = ["--username", "sara.ahmadi"].as_slice();
    for (password, reason) in [
        ("", "Blank"),
        ("\n", "Blank"),
        ("short7", "too short"),
        ("password", "too common"),
        ("73519462804", "entirely numeric"),
        ("sara.ahmadi9", "too similar"),
    ] {
        assert!(make(password, sara).await.contains(reason), "{password}");
    }
    assert!(make(PASSWORD, &[]).await.contains("--username"));
    assert!(make(PASSWORD, &["--username", "G0-09123456789"]).await.contains("looks like"));
    assert!(make(PASSWORD, &["--username", "a b"]).await.contains("letters"));
    assert!(make(PASSWORD, &[sara, &["--email", "x"]].concat()).await.contains("e-mail"));
    assert!(make(PASSWORD, &[sara, &["--phone", "123"]].concat()).await.contains("phone"));
    let (worked, said) = peyk.run("api", &["createsuperuser", "--username", "sara"]).await;
    assert!(!worked && said.contains("--password-stdin"), "nobody is there to ask: {said}");
    let codes = [("AUTH__METHODS", "otp")];
    let (worked, said) = peyk
        .run_with("api", &["createsuperuser", "--username", "sara", "--password-stdin"], &codes)
        .await;
    assert!(!worked && said.contains("--phone"), "{said}");
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 0);
}
