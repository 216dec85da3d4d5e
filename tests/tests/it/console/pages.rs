//! How the pages of the console are served.

use peyk_tests::{fake::FakeKavenegar, harness::Peyk};

use crate::login_steps::header;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

#[tokio::test]
async fn pages_may_load_and_do_nothing_but_what_is_theirs() {
    let peyk = Peyk::builder().workers(0).start().await;
    for path in
        ["/admin/", "/admin/users/17/", "/", "/sandbox/", "/sandbox/chat/", "/sandbox/failures/"]
    {
        let answer = peyk.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(header(&answer, "content-security-policy"), Some(POLICY), "{path}");
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"));
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert_eq!(header(&answer, "content-type"), Some("text/html; charset=utf-8"));
        assert!(header(&answer, "set-cookie").is_none());
    }
}

#[tokio::test]
async fn scripts_and_styles_are_sent_once_and_nothing_else_of_the_folder_is() {
    let peyk = Peyk::builder().workers(0).start().await;
    for (name, kind) in
        [("app.js", "text/javascript; charset=utf-8"), ("base.css", "text/css; charset=utf-8")]
    {
        let path = format!("/admin/assets/{name}");
        let answer = peyk.get(&path).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (200, Some(kind)));
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
        let tag = header(&answer, "etag").unwrap().to_owned();
        let again = peyk.client().get(peyk.url(&path)).header("If-None-Match", &tag);
        assert_eq!(peyk.send(again).await.status, 304);
        let other = peyk.client().get(peyk.url(&path)).header("If-None-Match", "\"x\"");
        assert_eq!(peyk.send(other).await.status, 200);
    }
    for name in ["index.html", "nothing.js", "../Cargo.toml", "..%2fCargo.toml", "pages", ""] {
        let answer = peyk.get(&format!("/admin/assets/{name}")).await;
        let found = answer.status == 200 && header(&answer, "etag").is_some();
        assert!(!found, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn production_has_the_console_and_nothing_of_the_sandbox() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().workers(0).kavenegar(&fake.url()).start().await;
    assert_eq!(peyk.get("/admin/").await.status, 200);
    assert_eq!(peyk.get("/admin/assets/app.js").await.status, 200);
    for path in ["/", "/sandbox/", "/sandbox/chat/", "/sandbox/messages/", "/sandbox/failures/"] {
        assert_eq!(peyk.get(path).await.status, 404, "{path}");
    }
    assert_eq!(peyk.get("/admin/assets/sandbox/walk.js").await.status, 404);
}
