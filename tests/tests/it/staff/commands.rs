//! `api staff` and `api createsuperuser`.

use peyk_tests::harness::Peyk;

use crate::{
    login_steps::{count, patient},
    people::Person,
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
