//! The cookie of the console: who gets one, what it opens, and when it ends.

use peyk_tests::harness::{Answer, Peyk};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    login_steps::{count, header, patient, send, text, wrong},
    people::Person,
};

/// What a browser holds after coming in.
pub(crate) struct Cookie {
    pub(crate) value: String,
    pub(crate) csrf: String,
}

impl Cookie {
    /// Comes in with a code.
    pub(crate) async fn of(peyk: &Peyk, mobile: &str) -> Self {
        let answer = enter(peyk, mobile).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::read(&answer)
    }

    fn read(answer: &Answer) -> Self {
        let set = header(answer, "set-cookie").expect("a cookie is set");
        let value = set.split(';').next().unwrap().to_owned();
        Self { value, csrf: text(answer, "csrf_token") }
    }

    /// A request as a page of the console makes it.
    fn request(&self, peyk: &Peyk, method: Method, path: &str) -> RequestBuilder {
        let request = peyk.client().request(method, peyk.url(&format!("/api/{path}")));
        let request = request.header("Cookie", &self.value).header("X-CSRF-Token", &self.csrf);
        request.header("Sec-Fetch-Site", "same-origin")
    }

    async fn ask(&self, peyk: &Peyk, method: Method, path: &str) -> Answer {
        peyk.send(self.request(peyk, method, path)).await
    }

    async fn get(&self, peyk: &Peyk, path: &str) -> Answer {
        self.ask(peyk, Method::GET, path).await
    }
}

async fn enter(peyk: &Peyk, mobile: &str) -> Answer {
    peyk_tests::aging::pass_seconds(&peyk.database.pool, mobile, 300.0).await;
    let (request_id, code) = send(peyk, mobile).await;
    let body = json!({"mobile_number": mobile, "code": code, "request_id": request_id});
    peyk.post("/api/admin/session/", &body).await
}

async fn staff(peyk: &Peyk, role: &str) -> Person {
    let person = Person::new(peyk).await;
    person.join_staff(peyk, role).await;
    person
}

#[tokio::test]
async fn staff_come_in_by_code_or_password_and_the_cookie_says_who_they_are() {
    let peyk = patient().start().await;
    let sara = staff(&peyk, "support").await;
    let answer = enter(&peyk, &sara.mobile).await;
    let set = header(&answer, "set-cookie").unwrap();
    for part in ["peyk=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=28800"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    assert_eq!(
        (&answer.json["role"], &answer.json["user_id"]),
        (&json!("support"), &json!(sara.id))
    );
    let cookie = Cookie::read(&answer);
    let who = cookie.get(&peyk, "admin/session/").await;
    assert_eq!(who.json["csrf_token"], answer.json["csrf_token"]);
    let may = who.json["may"].as_array().unwrap();
    assert!(may.contains(&json!("end_sessions")) && !may.contains(&json!("switch_users")));
    assert_eq!(who.json["confirm_by"], json!(["code"]));
    assert_eq!(cookie.get(&peyk, "admin/users/").await.status, 200);
    let command = ["createsuperuser", "--username", "root", "--password-stdin"];
    let (made, output) = peyk.run_fed("correct horse 77\n", "api", &command).await;
    assert!(made, "{output}");
    let proof = json!({"username": "root", "password": "correct horse 77"});
    let root = peyk.post("/api/admin/session/", &proof).await;
    assert_eq!((root.status, &root.json["role"]), (200, &json!("admin")), "{root:?}");
    assert_eq!(root.json["confirm_by"], json!(["password"]));
    let entered = "SELECT count(*) FROM audit_events WHERE action = 'console.entered'";
    assert_eq!(count(&peyk, entered).await, 2);
}

#[tokio::test]
async fn nobody_else_comes_in_and_no_session_is_left_behind() {
    let peyk = patient().start().await;
    let omid = Person::new(&peyk).await;
    let going = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    assert_eq!(count(&peyk, going).await, 1);
    let answer = enter(&peyk, &omid.mobile).await;
    assert_eq!((answer.status, text(&answer, "code")), (403, "permission_denied".to_owned()));
    assert!(header(&answer, "set-cookie").is_none());
    assert_eq!(count(&peyk, going).await, 1, "what began was ended");
    let sara = staff(&peyk, "admin").await;
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &sara.mobile, 300.0).await;
    let (request_id, code) = send(&peyk, &sara.mobile).await;
    let body =
        json!({"mobile_number": sara.mobile, "code": wrong(&code), "request_id": request_id});
    assert_eq!(peyk.post("/api/admin/session/", &body).await.status, 401);
    let body = json!({"username": "nobody", "password": "correct horse 77"});
    assert_eq!(peyk.post("/api/admin/session/", &body).await.status, 401);
}

#[tokio::test]
async fn the_cookie_opens_the_console_alone_and_tokens_do_not_stand_in_for_it() {
    let peyk = patient().start().await;
    let sara = staff(&peyk, "admin").await;
    let cookie = Cookie::of(&peyk, &sara.mobile).await;
    for path in ["me/", "sessions/", "wallet/", "chat/chatrooms/"] {
        assert_eq!(cookie.get(&peyk, path).await.status, 401, "{path}");
    }
    let secret = cookie.value.split_once('=').unwrap().1;
    let bearer = peyk.client().get(peyk.url("/api/admin/users/")).bearer_auth(secret);
    assert_eq!(peyk.send(bearer).await.status, 401, "it is no token");
    let token = Cookie { value: format!("peyk={}", sara.token), csrf: cookie.csrf.clone() };
    assert_eq!(token.get(&peyk, "admin/users/").await.status, 401, "and no token is one");
    let both = cookie.request(&peyk, Method::GET, "admin/users/").bearer_auth("x");
    assert_eq!(peyk.send(both).await.status, 401, "other credentials count alone");
    let refresh = json!({"refresh": secret});
    assert_eq!(peyk.post("/api/token/refresh/", &refresh).await.status, 401);
}

#[tokio::test]
async fn what_changes_something_needs_the_token_and_a_page_of_this_server() {
    let peyk = patient().start().await;
    let (sara, omid) = (staff(&peyk, "admin").await, Person::new(&peyk).await);
    let cookie = Cookie::of(&peyk, &sara.mobile).await;
    let path = format!("admin/users/{}/disable/", omid.id);
    let post = || peyk.client().post(peyk.url(&format!("/api/{path}")));
    let with = |csrf: &str, name: &str, value: &str| {
        post().header("Cookie", &cookie.value).header("X-CSRF-Token", csrf).header(name, value)
    };
    let other = Cookie::of(&peyk, &sara.mobile).await;
    let refused = [
        post().header("Cookie", &cookie.value),
        with("", "Sec-Fetch-Site", "same-origin"),
        with(&other.csrf, "Sec-Fetch-Site", "same-origin"),
        with(&cookie.csrf, "Sec-Fetch-Site", "cross-site"),
        with(&cookie.csrf, "Sec-Fetch-Site", "same-site"),
        with(&cookie.csrf, "Sec-Fetch-Site", "none"),
        with(&cookie.csrf, "Origin", "https://evil.example"),
        with(&cookie.csrf, "Origin", "null"),
    ];
    for request in refused {
        let shown = format!("{request:?}");
        let answer = peyk.send(request).await;
        assert_eq!(
            (answer.status, text(&answer, "code")),
            (403, "csrf_failed".to_owned()),
            "{shown}"
        );
    }
    let look = peyk.client().get(peyk.url("/api/admin/users/")).header("Cookie", &cookie.value);
    let look = peyk.send(look.header("Sec-Fetch-Site", "cross-site")).await;
    assert_eq!(look.status, 403, "a look is written down: nobody else's page makes one");
    let active = "SELECT count(*) FROM users WHERE is_active";
    assert_eq!(count(&peyk, active).await, 2);
    let own = with(&cookie.csrf, "Origin", &peyk.urls[0]);
    assert_eq!(peyk.send(own).await.status, 200, "an older browser says its origin");
    assert_eq!(count(&peyk, active).await, 1);
    let login = peyk.client().post(peyk.url("/api/admin/session/")).json(&json!({}));
    let login = peyk.send(login.header("Sec-Fetch-Site", "cross-site")).await;
    assert_eq!(text(&login, "code"), "csrf_failed", "nobody is logged in by another page");
}

#[tokio::test]
async fn it_ends_by_logging_out_by_being_ended_by_idleness_and_by_age() {
    let peyk = patient().apis(2).start().await;
    let sara = staff(&peyk, "admin").await;
    let status = async |cookie: &Cookie| cookie.get(&peyk, "admin/session/").await.status;
    let age = async |what: &str| {
        let sql = format!("UPDATE sessions SET {what} WHERE console_digest IS NOT NULL");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&peyk.database.pool).await.unwrap();
    };
    let out = Cookie::of(&peyk, &sara.mobile).await;
    assert_eq!(status(&out).await, 200);
    let left = out.ask(&peyk, Method::DELETE, "admin/session/").await;
    assert_eq!(left.status, 200, "{left:?}");
    assert!(header(&left, "set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(status(&out).await, 401);
    let ended = Cookie::of(&peyk, &sara.mobile).await;
    assert_eq!(
        sara.ask_at(&peyk, 1, Method::POST, "sessions/revoke_others/", None).await.status,
        200
    );
    assert_eq!(status(&ended).await, 401, "ended at another process, out at once");
    let idle = Cookie::of(&peyk, &sara.mobile).await;
    age("refresh_expires_at = refresh_expires_at - interval '29 minutes'").await;
    let background = idle.request(&peyk, Method::GET, "admin/session/");
    let background = peyk.send(background.header("X-Peyk-Background", "1")).await;
    assert_eq!(background.status, 200, "a page that renews itself is answered");
    age("refresh_expires_at = refresh_expires_at - interval '2 minutes'").await;
    assert_eq!(status(&idle).await, 401, "and keeps nothing open");
    let kept = Cookie::of(&peyk, &sara.mobile).await;
    for _ in 0..3 {
        age("refresh_expires_at = refresh_expires_at - interval '29 minutes'").await;
        assert_eq!(status(&kept).await, 200, "who does something stays");
    }
    let long = "SELECT count(*) FROM sessions WHERE console_digest IS NOT NULL
        AND revoked_at IS NULL AND refresh_expires_at > now() + interval '31 minutes'";
    assert_eq!(count(&peyk, long).await, 0, "and for no longer than half an hour");
    age("expires_at = now() + interval '10 seconds'").await;
    age("refresh_expires_at = least(refresh_expires_at, expires_at)").await;
    assert_eq!(status(&kept).await, 200);
    let until: Value = kept.get(&peyk, "admin/session/").await.json["expires_at"].clone();
    let later = "SELECT count(*) FROM sessions WHERE refresh_expires_at > expires_at";
    assert_eq!(count(&peyk, later).await, 0, "never beyond {until}");
    age("expires_at = now(), refresh_expires_at = now()").await;
    assert_eq!(status(&kept).await, 401);
    let gone = Cookie::of(&peyk, &sara.mobile).await;
    peyk.database.execute("UPDATE users SET role = NULL").await;
    assert_eq!(status(&gone).await, 403, "nobody is staff for longer than they are");
}

#[tokio::test]
async fn a_step_up_makes_the_console_recent_and_no_other_session() {
    let peyk = patient().start().await;
    let (sara, omid) = (staff(&peyk, "admin").await, Person::new(&peyk).await);
    let cookie = Cookie::of(&peyk, &sara.mobile).await;
    sara.grow_stale(&peyk).await;
    let path = format!("admin/users/{}/disable/", omid.id);
    let refused = cookie.ask(&peyk, Method::POST, &path).await;
    assert_eq!((refused.status, text(&refused, "code")), (403, "confirmation_required".to_owned()));
    let sent = cookie.ask(&peyk, Method::POST, "me/confirm/send/").await;
    assert!([200, 202].contains(&sent.status), "{sent:?}");
    let request_id = text(&sent, "request_id");
    peyk.wait_for_status(&request_id, &["sent", "delivered"]).await;
    let code = peyk.sandbox_code(&sara.mobile).await;
    let proof = json!({"code": code, "request_id": request_id});
    let confirm = cookie.request(&peyk, Method::POST, "me/confirm/").json(&proof);
    assert_eq!(peyk.send(confirm).await.status, 200);
    assert_eq!(cookie.ask(&peyk, Method::POST, &path).await.status, 200);
    let by_token = sara.ask(&peyk, Method::POST, &path, None).await;
    assert_eq!(text(&by_token, "code"), "confirmation_required");
}
