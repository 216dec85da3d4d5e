//! A clock that is put back gives nobody a second day.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use peyk_tests::harness::TestDatabase;
use shared::{
    clock::ManualClock,
    config::{Config, Mode, init_toml},
    login_events::Trace,
    otp::{
        AcceptedSend, DailyCap, GivenCode, NewSend, Otp, Purpose, SendCodeError, VerifyCodeError,
    },
    phone::PhoneNumber,
};

use crate::login_steps::wrong;

/// Codes over a clock in the hands of the test: two texts a day, two guesses of each kind.
struct Bench {
    database: TestDatabase,
    clock: Arc<ManualClock>,
    otp: Otp,
    phone: PhoneNumber,
}

impl Bench {
    async fn new() -> Self {
        let settings = ["DAILY_SENDS_PER_TARGET", "DAILY_ATTEMPTS_PER_TARGET"]
            .map(|name| (format!("PEYK__OTP__{name}"), "2".to_owned()));
        let file = init_toml(Mode::Sandbox);
        let config = Config::from_parts(Some(("peyk.toml", &file)), settings).unwrap();
        let database = TestDatabase::create().await;
        let noon = DateTime::parse_from_rfc3339("2026-03-21T12:00:00Z").unwrap().to_utc();
        let clock = Arc::new(ManualClock::new(noon));
        let otp = Otp::new(database.pool.clone(), clock.clone(), &config).unwrap();
        let phone = PhoneNumber::from_e164("+989120000009").unwrap();
        Self { database, clock, otp, phone }
    }

    async fn send(&self) -> Result<AcceptedSend, SendCodeError> {
        let new = NewSend {
            phone: self.phone.clone(),
            purpose: Purpose::Login,
            ip: None,
            reply_to: None,
            keyed: None,
            trace: None,
            mount: None,
        };
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        self.otp.accept_send(&new, &mut rng).await
    }

    /// The code of the latest text.
    async fn code(&self) -> String {
        let latest = "SELECT last_local_id FROM otp_codes";
        let text = self.otp.readable(self.database.count(latest).await).await.unwrap();
        text.code.expect("it is the latest")
    }

    /// Uses the code that a request brought.
    async fn log_in(&self, sent: &AcceptedSend) {
        let (phone, code) = (&self.phone, self.code().await);
        let (request_id, trace) = (Some(&*sent.request_id), &Trace::default());
        let given = GivenCode { code: &code, request_id, trace };
        let checked = self.otp.check(phone, Purpose::Login, &given).await;
        let mut connection = self.database.pool.acquire().await.unwrap();
        assert!(self.otp.consume(&mut connection, &checked.unwrap()).await.unwrap());
    }

    async fn is_refused(&self, code: &str, request_id: Option<&str>) -> bool {
        let given = GivenCode { code, request_id, trace: &Trace::default() };
        let checked = self.otp.check(&self.phone, Purpose::Login, &given).await;
        matches!(checked, Err(VerifyCodeError::NoSuchCode))
    }

    /// Guesses both ways until the day's guesses are used up.
    async fn guess(&self, sent: &AcceptedSend) {
        let wrong = wrong(&self.code().await);
        for _ in 0..2 {
            assert!(self.is_refused(&wrong, None).await);
            assert!(self.is_refused(&wrong, Some(&sent.request_id)).await);
        }
    }

    fn put(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
    }
}

fn assert_over_cap(sent: &Result<AcceptedSend, SendCodeError>) {
    let capped = matches!(sent, Err(SendCodeError::OverCap { cap: DailyCap::Number, .. }));
    assert!(capped, "{sent:?}");
}

#[tokio::test]
async fn a_clock_put_back_and_forth_gives_no_text_more_on_its_day() {
    let bench = Bench::new().await;
    let first = bench.send().await.unwrap();
    bench.log_in(&first).await;
    bench.put(-1);
    let second = bench.send().await.unwrap();
    bench.log_in(&second).await;
    assert_over_cap(&bench.send().await);
    bench.put(1);
    assert_over_cap(&bench.send().await);
    bench.put(1);
    bench.send().await.expect("tomorrow is another day");
}

#[tokio::test]
async fn a_clock_put_back_and_forth_gives_no_guess_more_on_its_day() {
    let bench = Bench::new().await;
    let sent = bench.send().await.unwrap();
    bench.guess(&sent).await;
    let code = bench.code().await;
    for days in [-1, 1] {
        bench.put(days);
        assert!(bench.is_refused(&code, None).await);
        assert!(bench.is_refused(&code, Some(&sent.request_id)).await);
    }
}

#[tokio::test]
async fn a_new_code_sent_after_the_clock_was_put_back_brings_no_guesses_with_it() {
    let bench = Bench::new().await;
    let first = bench.send().await.unwrap();
    let wrong = wrong(&bench.code().await);
    for _ in 0..2 {
        assert!(bench.is_refused(&wrong, None).await);
    }
    assert!(bench.is_refused(&wrong, Some(&first.request_id)).await);
    bench.log_in(&first).await;
    bench.put(-1);
    let second = bench.send().await.unwrap();
    let code = bench.code().await;
    assert!(bench.is_refused(&code, None).await);
    assert!(bench.is_refused(&code, Some(&second.request_id)).await);
}
