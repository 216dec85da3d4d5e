//! A guesser and a sender at work while Redis is emptied, cut, stalled and restarted and
//! PostgreSQL crashes: the budgets of guesses and the day's caps are counted where nothing of
//! that reaches.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use peyk_tests::{
    chaos::{Dice, Moment, Tally, send_once, size},
    fake::{Delivered, FakeKavenegar},
    harness::{Peyk, TestPostgres, fresh_mobile, wait_for},
    simulated::pace,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::servers::BLOWS;
use crate::login_steps::{text, wrong};

/// Per number and day: texts, and guesses without a request.
const SENDS: i64 = 20;
const GUESSES: i64 = 15;
/// Texts per day, all numbers together.
const SENDS_OF_ALL: i64 = 60;

#[tokio::test]
async fn no_loss_of_a_server_gives_an_attacker_another_guess_or_text() {
    on_one_day(size("ROUNDS", 1, |rounds| rounds.div_ceil(50))).await;
}

/// Caps are per UTC day: a run over midnight counts for nothing.
async fn on_one_day(rounds: usize) {
    loop {
        let (_, same_day) = attack(rounds).await;
        if same_day {
            return;
        }
    }
}

/// What the attackers were answered.
#[derive(Debug, Default)]
struct Answers {
    guesses: usize,
    refused: usize,
    sends: usize,
    accepted: usize,
    /// Sends put off because a server was away.
    put_off: usize,
    /// Sends that ran into a cap.
    capped: usize,
}

async fn attack(rounds: usize) -> (Answers, bool) {
    let mut dice = Dice::new("attack");
    let (fake, postgres) = tokio::join!(FakeKavenegar::start(), TestPostgres::start());
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(1_000)
        .set("HTTP__WAIT_MS", "2000")
        .set("OTP__RESEND_AFTER_SECONDS", "0")
        .set("OTP__TTL_SECONDS", "600")
        .set("OTP__DAILY_SENDS_PER_TARGET", SENDS.to_string())
        .set("OTP__DAILY_ATTEMPTS_PER_TARGET", GUESSES.to_string())
        .set("LIMITS__DAILY_SENDS", SENDS_OF_ALL.to_string())
        // The limits that Redis keeps are not what holds here.
        .set("LIMITS__OTP_SEND_PER_TARGET", "100000/1s")
        .database_server(postgres.url())
        .gated()
        .apis(2)
        .start()
        .await;
    let day = today(&peyk).await;
    let victim = fresh_mobile();
    let owners = peyk.send_otp(&victim).await;
    assert_eq!(owners.status, 200, "{owners:?}");
    let code = code_of(&fake, &victim);
    let attackers = Attackers::start(&peyk, &victim, &code, &mut dice);
    for _ in 0..rounds {
        for blow in dice.shuffled(BLOWS) {
            // A blow comes at any moment, also while the last one is still felt.
            Moment::after(dice.below(50), async || attackers.answers()).await.comes().await;
            blow.strike(&mut peyk, &postgres).await;
        }
    }
    // Whatever the blows kept from them, they have time to get all there is to be had.
    wait_for("the caps", || async {
        (peyk.database.count("SELECT count(*) FROM sms_messages").await >= SENDS_OF_ALL)
            .then_some(())
    })
    .await;
    let answers = attackers.stop().await;
    peyk.database.all_settled(Duration::from_mins(1)).await;
    let same_day = day == today(&peyk).await;
    if same_day {
        check(&peyk, &fake, (&victim, &code, &text(&owners, "request_id")), &answers, &dice).await;
    }
    (answers, same_day)
}

async fn check(
    peyk: &Peyk,
    fake: &FakeKavenegar,
    (victim, code, request_id): (&str, &str, &str),
    answers: &Answers,
    dice: &Dice,
) {
    let guessed = "SELECT max(shared_attempts_today)::bigint FROM otp_codes";
    let guessed = peyk.database.count(guessed).await;
    let (to_victim, to_all) = (fake.effects_to(victim).len(), fake.effects().len());
    Tally::new("Attack while servers break", dice)
        .count("guesses", answers.guesses)
        .count("refused", answers.refused)
        .count("compared", guessed)
        .count("of", GUESSES)
        .count("sends", answers.sends)
        .count("accepted", answers.accepted)
        .count("put off", answers.put_off)
        .count("over a cap", answers.capped)
        .count("texts to the victim", to_victim)
        .count("of", SENDS)
        .count("texts to all", to_all)
        .count("of", SENDS_OF_ALL)
        .show();
    assert_eq!(answers.guesses, answers.refused, "a wrong code is refused or put off");
    assert!(answers.guesses > usize::try_from(GUESSES).unwrap(), "{answers:?}");
    // All of both was spent, and no more.
    assert_eq!(guessed, GUESSES);
    assert_eq!(i64::try_from(to_victim).unwrap(), SENDS);
    assert_eq!(i64::try_from(to_all).unwrap(), SENDS_OF_ALL);
    assert_eq!(peyk.database.count("SELECT count(*) FROM sms_messages").await, SENDS_OF_ALL);
    assert_eq!(peyk.send_otp_async(&fresh_mobile()).await.status, 429);
    // Whoever has only the number gets no further even with the right code; the owner does.
    assert_eq!(peyk.authenticate(victim, code, None).await.status, 401);
    let login = peyk.authenticate(victim, code, Some(request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
}

/// Four who guess one number's code, one who sends to it and one who sends to everybody.
struct Attackers {
    stop: CancellationToken,
    /// How many requests have come to their end.
    answered: Arc<AtomicI64>,
    running: JoinSet<Answers>,
}

impl Attackers {
    fn start(peyk: &Peyk, victim: &str, code: &str, dice: &mut Dice) -> Self {
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        let answered = Arc::<AtomicI64>::default();
        for at in 0..4 {
            let guess = json!({"mobile_number": victim, "code": wrong(code)});
            let (client, url) = (peyk.client().clone(), peyk.urls[at % 2].clone());
            let url = format!("{url}/api/authenticate/");
            running.spawn(guess_on(client, url, guess, stop.clone(), Arc::clone(&answered)));
        }
        for target in [Some(victim.to_owned()), None] {
            let (client, urls) = (peyk.client().clone(), peyk.urls.clone());
            let (dice, answered) = (dice.fork(), Arc::clone(&answered));
            running.spawn(send_on((client, urls), target, dice, stop.clone(), answered));
        }
        Self { stop, answered, running }
    }

    fn answers(&self) -> i64 {
        self.answered.load(Ordering::Relaxed)
    }

    async fn stop(self) -> Answers {
        self.stop.cancel();
        let sum = |sum: Answers, one: Answers| Answers {
            guesses: sum.guesses + one.guesses,
            refused: sum.refused + one.refused,
            sends: sum.sends + one.sends,
            accepted: sum.accepted + one.accepted,
            put_off: sum.put_off + one.put_off,
            capped: sum.capped + one.capped,
        };
        self.running.join_all().await.into_iter().fold(Answers::default(), sum)
    }
}

async fn guess_on(
    client: reqwest::Client,
    url: String,
    guess: serde_json::Value,
    stop: CancellationToken,
    answered: Arc<AtomicI64>,
) -> Answers {
    let mut answers = Answers::default();
    while !stop.is_cancelled() {
        let answer = client.post(&url).json(&guess).send().await;
        answered.fetch_add(1, Ordering::Relaxed);
        answers.guesses += 1;
        answers.refused +=
            usize::from(answer.is_ok_and(|it| [401, 503].contains(&it.status().as_u16())));
    }
    answers
}

async fn send_on(
    (client, urls): (reqwest::Client, Vec<String>),
    target: Option<String>,
    mut dice: Dice,
    stop: CancellationToken,
    answered: Arc<AtomicI64>,
) -> Answers {
    let mut answers = Answers::default();
    while stop.run_until_cancelled(pace(dice.ms(5, 50))).await.is_some() {
        let mobile = target.clone().unwrap_or_else(fresh_mobile);
        let url = urls[dice.below(urls.len())].clone();
        let sent = send_once(client.clone(), url, mobile, false).await;
        answered.fetch_add(1, Ordering::Relaxed);
        assert!([202, 409, 429, 503].contains(&sent.status()), "{sent:?}");
        answers.sends += 1;
        answers.accepted += usize::from(sent.is_accepted());
        answers.put_off += usize::from(sent.status() == 503);
        answers.capped += usize::from(sent.status() == 429);
    }
    answers
}

/// The digits of the one text a number got.
fn code_of(fake: &FakeKavenegar, mobile: &str) -> String {
    let effects = fake.effects_to(mobile);
    let Delivered::Text(text) = &effects[0].content else { panic!("free texts are sent") };
    text.chars().filter(char::is_ascii_digit).collect()
}

async fn today(peyk: &Peyk) -> i64 {
    peyk.database.count("SELECT extract(epoch FROM (now() AT TIME ZONE 'UTC')::date)::bigint").await
}
