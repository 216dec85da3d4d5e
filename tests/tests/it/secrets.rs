//! No code, number, token or key is in Redis, a log, a metric or (numbers apart) the database.

use peyk_tests::{
    aging::{e164, pass_seconds},
    fake::{API_KEY, Behaviour, FakeKavenegar, Receiver},
    harness::{Answer, Peyk, free_port, wait_for},
};
use serde_json::{Value, json};
use shared::config::{Mode, init_toml};

use crate::{
    evidence::{Monitor, Needle, Place, database_contents, find, page, redis_contents},
    login_steps::{patient, text, wrong},
};

/// What texts begin with, in ASCII so that it is the same in every record.
const SENTENCE: &str = "Sentence-of-the-text";
const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Some receivers' addresses hold one.
const WEBHOOK_TOKEN: &str = "token-in-the-address-of-a-receiver";
const DJANGO_KEY: &str = "django-insecure-key-that-nobody-may-see";

/// A Peyk whose every secret is known to the test, which logs as much as it can.
struct Watched {
    peyk: Peyk,
    provider: FakeKavenegar,
    receiver: Receiver,
    monitor: Monitor,
    metrics: String,
    needles: Vec<Needle>,
}

impl Watched {
    async fn start() -> Self {
        let provider = FakeKavenegar::start().await;
        let receiver = Receiver::start(WEBHOOK_SECRET).await;
        let secrets: toml::Table = init_toml(Mode::Production).parse().unwrap();
        let secret = |path: &[&str]| {
            let value = path[1..].iter().fold(&secrets[path[0]], |table, name| &table[*name]);
            value.as_str().expect("it is a text").to_owned()
        };
        let refresh_key = secret(&["auth", "refresh_key"]);
        let otp_key = secret(&["otp", "keys", "k1"]);
        let private_key = secret(&["auth", "keys", "k1", "private_key"]);
        let metrics = format!("127.0.0.1:{}", free_port());
        let peyk = patient()
            .set("LOG__FILTER", "debug,api=trace,worker=trace,shared=trace")
            // Ten digits are in no timestamp or random number by chance.
            .set("OTP__LENGTH", "10")
            .set("OTP__TEXT", format!("{SENTENCE}\n{{code}}"))
            .set("AUTH__REFRESH_KEY", &refresh_key)
            .set("AUTH__KEYS__K1__PRIVATE_KEY", &private_key)
            .set("AUTH__KEYS__DJANGO__ALGORITHM", "HS256")
            .set("AUTH__KEYS__DJANGO__SECRET", DJANGO_KEY)
            .set("OTP__KEYS__K1", &otp_key)
            .set("HTTP__OPERATIONS_LISTEN", &metrics)
            .set("LIMITS__VERIFY_FAILURES_PER_IP", "8/1h")
            .set("WEBHOOKS__ENDPOINTS__SHOP__URL", format!("{}?{WEBHOOK_TOKEN}", receiver.url()))
            .set("WEBHOOKS__ENDPOINTS__SHOP__SECRETS", WEBHOOK_SECRET)
            .kavenegar(&provider.url())
            .start()
            .await;
        let mut needles: Vec<Needle> = vec![
            ("the provider's key", API_KEY.to_owned()),
            ("the refresh key", refresh_key),
            ("the code key", otp_key),
            ("a symmetric key", DJANGO_KEY.to_owned()),
            ("the text", SENTENCE.to_owned()),
            ("the webhooks' secret", WEBHOOK_SECRET["whsec_".len()..].to_owned()),
            ("the webhooks' address", WEBHOOK_TOKEN.to_owned()),
        ];
        let lines = private_key.lines().filter(|line| line.len() > 6);
        needles.extend(lines.map(|line| ("the private key", line.to_owned())));
        let monitor = Monitor::start(&peyk).await;
        Self { peyk, provider, receiver, monitor, metrics, needles }
    }

    /// A number that is to be found nowhere, in any of its spellings: all hold these ten digits.
    fn number(&mut self) -> String {
        let subscriber = format!("9{:09}", rand::random_range(100_000_000..1_000_000_000));
        let persian = subscriber.bytes().map(|digit| {
            char::from_u32(u32::from('۰') + u32::from(digit - b'0')).expect("ten digits follow")
        });
        self.needles.push(("a number in Persian digits", persian.collect()));
        self.needles.push(("a number", subscriber.clone()));
        format!("0{subscriber}")
    }

    /// The code of the newest text to a number.
    fn code(&mut self, mobile: &str) -> String {
        let effect = self.provider.effects_to(mobile).pop().expect("a text arrived");
        let call = &self.provider.calls()[effect.call];
        let message = call.field("message").expect("it is a free text");
        let code = message.lines().nth(1).expect("the code is on a line of its own").to_owned();
        self.needles.push(("a code", code.clone()));
        self.needles.push(("a wrong code", wrong(&code)));
        code
    }

    fn tokens(&mut self, login: &Answer) {
        assert_eq!(login.status, 200, "{login:?}");
        for kind in ["access", "refresh"] {
            let token = text(login, kind);
            for part in token.split('.').skip(1) {
                self.needles.push(("a part of a token", part.to_owned()));
            }
        }
    }

    async fn log_in(&mut self, mobile: &str) {
        let sent = self.peyk.send_otp(mobile).await;
        assert_eq!(sent.status, 200, "{sent:?}");
        let (request_id, code) = (text(&sent, "request_id"), self.code(mobile));
        for request_id in [None, Some(request_id.as_str())] {
            assert_eq!(self.peyk.authenticate(mobile, &wrong(&code), request_id).await.status, 401);
        }
        let login = self.peyk.authenticate(mobile, &code, Some(&request_id)).await;
        self.tokens(&login);
        assert_eq!(self.peyk.authenticate(mobile, &code, None).await.status, 401);
    }

    /// An account with a password, and every way to give a password.
    async fn passwords(&mut self) {
        let [password, wrong, new] = [(); 3].map(|()| {
            let password = format!("pass-{}", shared::ids::random_handle(&mut rand::rng()));
            self.needles.push(("a password", password.clone()));
            password
        });
        let twice = |password: &str| json!({"password": password, "password2": password});
        let mut body = twice(&password);
        body["username"] = "sara".into();
        assert_eq!(self.peyk.post("/api/register/", &body).await.status, 201);
        assert_eq!(self.peyk.post("/api/register/", &body).await.status, 409);
        let named = |password: &str| json!({"username": "sara", "password": password});
        assert_eq!(self.peyk.post("/api/login/", &named(&wrong)).await.status, 401);
        let login = self.peyk.post("/api/login/", &named(&password)).await;
        self.tokens(&login);
        for (current, status) in [(&wrong, 400), (&password, 200)] {
            let mut body = twice(&new);
            body["current_password"] = current.as_str().into();
            let change = self.peyk.client().post(self.peyk.url("/api/me/password/"));
            let change = change.bearer_auth(text(&login, "access")).json(&body);
            assert_eq!(self.peyk.send(change).await.status, status);
        }
    }

    /// Sends that the provider answers in every bad way, with our own words in its answer.
    async fn failing_sends(&mut self) {
        for behaviour in [
            Behaviour::Error(411),
            Behaviour::Error(418),
            Behaviour::ResetAfterRead { effect: false },
            Behaviour::InvalidJson { effect: false },
        ] {
            let mobile = self.number();
            self.provider.behave_to(&mobile, behaviour);
            let sent = self.peyk.send_otp(&mobile).await;
            assert!([200, 502].contains(&sent.status), "{sent:?}");
        }
        let mobile = self.number();
        let status = json!({"status": 400, "message": format!("{mobile} {API_KEY} {SENTENCE}")});
        let body = json!({"return": status, "entries": null}).to_string();
        let echo = Behaviour::HttpStatus { status: 400, headers: Vec::new(), body };
        self.provider.behave_to(&mobile, echo);
        assert_eq!(self.peyk.send_otp(&mobile).await.status, 502);
    }

    /// Requests that are refused before they are understood.
    async fn bad_requests(&mut self) {
        let mobile = self.number();
        let peyk = &self.peyk;
        for path in ["/api/otp/send/", "/api/authenticate/"] {
            let post = || peyk.client().post(format!("{}?mobile_number={mobile}", peyk.url(path)));
            for request in [
                post().header("Content-Type", "application/json").body(format!("{{{mobile}")),
                post().header("Content-Type", format!("text/{mobile}")).body("x"),
                post().json(&json!([mobile])),
                post().json(&json!({"mobile_number": [mobile], "code": mobile, "group": mobile})),
                post().json(&json!({"mobile_number": format!("{mobile}{mobile}"), "code": "1"})),
            ] {
                let answer = peyk.send(request.bearer_auth(&mobile)).await;
                assert!((400..=415).contains(&answer.status), "{answer:?}");
            }
        }
        for path in [format!("/api/otp/{mobile}/"), format!("/{mobile}?m={mobile}")] {
            assert_eq!(peyk.get(&path).await.status, 404);
        }
    }

    /// A login that PostgreSQL refuses, with the row in its complaint.
    async fn internal_error(&mut self) {
        let mobile = self.number();
        let pool = &self.peyk.database.pool;
        let constraint = "ALTER TABLE users ADD CONSTRAINT refused CHECK (username = '') NOT VALID";
        sqlx::query(constraint).execute(pool).await.unwrap();
        assert_eq!(self.peyk.send_otp(&mobile).await.status, 200);
        let code = self.code(&mobile);
        assert_eq!(self.peyk.authenticate(&mobile, &code, None).await.status, 500);
        let drop = sqlx::query("ALTER TABLE users DROP CONSTRAINT refused");
        drop.execute(&self.peyk.database.pool).await.unwrap();
    }

    async fn redis_and_metrics(&self) -> Vec<Place> {
        let api = format!("http://{}/metrics", self.metrics);
        let worker = format!("{}/metrics", self.worker_url().await);
        vec![
            ("Redis' commands", self.monitor.commands(&self.peyk).await),
            ("Redis' contents", redis_contents(&self.peyk).await),
            ("the api's metrics", page(&self.peyk, &api).await),
            ("the worker's metrics", page(&self.peyk, &worker).await),
        ]
    }

    /// At this level of detail a library says "worker started" too, so the message alone does not
    /// find the line.
    async fn worker_url(&self) -> String {
        wait_for("the worker's address", || async {
            let output = self.peyk.workers[0].output();
            let mut lines = output.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.find_map(|line: Value| Some(format!("http://{}", line["operations"].as_str()?)))
        })
        .await
    }

    /// Goes on without Redis and then ends: the last words are in the output too.
    async fn end(&mut self) {
        self.peyk.redis.kill();
        let mobile = self.number();
        let sent = self.peyk.send_otp_async(&mobile).await;
        assert_eq!(sent.status, 202, "{sent:?}");
        for process in self.peyk.apis.iter_mut().chain(&mut self.peyk.workers) {
            process.signal("TERM").await;
            assert!(process.wait().await.success());
        }
    }
}

#[tokio::test]
async fn no_secret_leaves_the_process_but_to_whom_it_belongs() {
    let mut watched = Watched::start().await;
    let (first, second) = (watched.number(), watched.number());
    watched.log_in(&first).await;
    watched.log_in(&first).await;
    watched.passwords().await;
    // From here on wrong codes are over the address's limit.
    let sent = watched.peyk.send_otp(&second).await;
    assert_eq!(sent.status, 200);
    let code = watched.code(&second);
    for _ in 0..4 {
        watched.peyk.authenticate(&second, &wrong(&code), None).await;
    }
    assert_eq!(watched.peyk.authenticate(&second, &wrong(&code), None).await.status, 429);
    assert_eq!(watched.peyk.send_otp(&second).await.status, 409);
    pass_seconds(&watched.peyk.database.pool, &second, 241).await;
    assert_eq!(watched.peyk.send_otp(&second).await.status, 200);
    watched.code(&second);
    // Webhooks are taken, refused, and tell of numbers to whom they belong.
    let told = watched.receiver.wait_for_told(3).await;
    assert!(told.iter().any(|told| told.event.to_string().contains(&e164(&first))));
    watched.receiver.answer_with(500);
    watched.failing_sends().await;
    watched.bad_requests().await;
    watched.internal_error().await;
    watched.receiver.wait_for_calls(6).await;
    let mut places = watched.redis_and_metrics().await;
    let database = vec![("the database", database_contents(&watched.peyk).await)];
    watched.end().await;
    places.push(("the processes' output", watched.peyk.output()));

    // The search would find what is there.
    for (place, needle) in [
        ("Redis' commands", "peyk:limit:otp-send-target:"),
        ("Redis' contents", "peyk:limit:otp-send-target:"),
        ("the api's metrics", "peyk_otp_checks_total"),
        ("the worker's metrics", "peyk_provider_calls_total"),
        ("the processes' output", "violates check constraint"),
    ] {
        let found = find(&places, &[("it", needle.to_owned())]);
        assert!(found.iter().any(|found| found.contains(place)), "{needle} in {place}: {found:?}");
    }
    assert_eq!(find(&database, &[("it", e164(&first))]).len(), 1);
    let told = watched.receiver.calls().into_iter().map(|call| call.body);
    let told = told.map(|body| String::from_utf8(body).unwrap()).collect::<Vec<_>>().join("\n");

    let leaks = find(&places, &watched.needles);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let is_secret = |needle: &&Needle| !needle.0.starts_with("a number");
    let secrets: Vec<_> = watched.needles.iter().filter(is_secret).cloned().collect();
    let leaks = find(&[("webhooks", told)], &secrets);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let leaks = find(&database, &secrets);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[tokio::test]
async fn the_search_finds_what_is_planted() {
    let mut watched = Watched::start().await;
    let planted = watched.number();
    assert_eq!(find(&watched.redis_and_metrics().await, &watched.needles), Vec::<String>::new());
    let mut redis = watched.peyk.redis.connection().await;
    let push = redis::cmd("RPUSH").arg("planted").arg(e164(&planted)).clone();
    let _: i64 = push.query_async(&mut redis).await.unwrap();
    let request = watched.peyk.client().get(watched.peyk.url("/livez"));
    watched.peyk.send(request.header("X-Request-Id", &planted)).await;
    wait_for("the log line", || async { watched.peyk.output().contains(&planted).then_some(()) })
        .await;
    let mut places = watched.redis_and_metrics().await;
    places.push(("the processes' output", watched.peyk.output()));
    let found = find(&places, &watched.needles);
    let places: Vec<_> = found.iter().map(|found| found.split(':').next().unwrap()).collect();
    let expected = ["Redis' commands", "Redis' contents", "the processes' output"]
        .map(|it| format!("a number in {it}"));
    assert_eq!(places, expected);
}
