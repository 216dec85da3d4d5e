//! `api chat-check` against two processes while everything around them breaks.

use std::time::Duration;

use peyk_tests::{
    chaos::{Dice, Moment, Tally, size},
    harness::{Gate, Peyk, free_port, wait_within},
};

/// What all clients got is counted at the end; a check that hangs ends after so long.
const LONGEST: Duration = Duration::from_mins(3);
const MESSAGES: &str = "SELECT count(*) FROM chat_messages";

struct Broken {
    peyk: Peyk,
    gate: Gate,
    listens: [String; 2],
}

impl Broken {
    async fn start() -> Self {
        let peyk = Peyk::builder()
            .apis(0)
            .set("CHAT__RATE", "100000/1s")
            .set("CHAT__SOCKETS__RATE", "100000/1s")
            .set("CHAT__SOCKETS__PER_USER", "100")
            .set("CHAT__SOCKETS__FRAME_BYTES", "4096")
            .start()
            .await;
        let gate = Gate::to(peyk.redis.url().trim_start_matches("redis://")).await;
        let listens = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let mut broken = Self { peyk, gate, listens };
        broken.start_api(0).await;
        broken.start_api(1).await;
        broken.peyk.wait_until_ready().await;
        broken
    }

    async fn start_api(&mut self, number: usize) {
        let redis = format!("redis://{}", self.gate.address());
        let settings = [("REDIS__URL", redis.as_str()), ("HTTP__LISTEN", &self.listens[number])];
        self.peyk.start_api_with(&settings).await;
        // The new one is the last: it takes the place of the one that ended.
        let (api, _) = (self.peyk.apis.pop().expect("started"), self.peyk.urls.pop());
        self.peyk.apis.insert(number.min(self.peyk.apis.len()), api);
        self.peyk
            .urls
            .insert(number.min(self.peyk.urls.len()), format!("http://{}", self.listens[number]));
    }

    /// Lets so many more messages be written.
    async fn messages(&self, more: usize) {
        let count = async || self.peyk.database.count(MESSAGES).await;
        Moment::after(more, count).await.comes().await;
    }

    /// Everybody is sent away in peace and comes back to the other, and to the new one.
    async fn restart_api(&mut self, number: usize) {
        let mut api = self.peyk.apis.remove(number);
        self.peyk.urls.remove(number);
        api.signal("TERM").await;
        assert!(api.wait().await.success(), "it drains and ends");
        self.start_api(number).await;
    }

    /// What is published comes late: after so many more messages.
    async fn delay_notices(&self, messages: usize) {
        self.gate.hold_answers();
        self.messages(messages).await;
        self.gate.release_answers();
    }
}

#[tokio::test]
async fn no_client_loses_doubles_or_reorders_anything_whatever_breaks() {
    let clients = size("ROUNDS", 20, std::convert::identity);
    let is_soak = clients > 20;
    let mut dice = Dice::new("chat-check");
    let mut broken = Broken::start().await;
    let urls = broken.listens.clone().map(|listen| format!("http://{listen}"));
    let (number, seconds) = (clients.to_string(), if is_soak { "300" } else { "24" });
    let every = if is_soak { "24" } else { "1" };
    let mut check = broken.peyk.spawn(
        "api",
        &[
            "chat-check",
            "--url",
            &urls[0],
            "--url",
            &urls[1],
            "--clients",
            &number,
            "--seconds",
            seconds,
            "--every",
            every,
            "--cut-after",
            "5",
        ],
    );
    let rounds = if is_soak { 12 } else { 1 };
    for _ in 0..rounds {
        broken.messages(10 + dice.below(20)).await;
        broken.delay_notices(10 + dice.below(20)).await;
        broken.peyk.redis.kill();
        broken.messages(10 + dice.below(20)).await;
        broken.peyk.redis.restart().await;
        broken.messages(10 + dice.below(20)).await;
        broken.restart_api(0).await;
        broken.restart_api(1).await;
    }
    let patience = if is_soak { 5 * LONGEST } else { LONGEST };
    wait_within(patience, "the end of the check", || {
        let ended = (!check.is_running()).then_some(());
        async move { ended }
    })
    .await;
    let status = check.wait().await;
    let said = check.output();
    assert!(status.success(), "{said}");
    let number_of = |name: &str| -> usize {
        let line = said.lines().find(|line| line.starts_with(name)).expect("it says so");
        line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    Tally::new("Chat clients while Redis, notices and processes come and go", &dice)
        .count("clients", clients)
        .count("sockets", number_of("connections"))
        .count("accepted", number_of("messages accepted"))
        .count("received", number_of("events received"))
        .count("lost", number_of("lost"))
        .count("doubled", number_of("doubled"))
        .count("reordered", number_of("reordered"))
        .show();
    // It proves nothing about a chat in which nothing happens, or nobody is cut off.
    assert!(number_of("messages accepted") >= 3 * clients, "{said}");
    assert!(number_of("connections") >= 2 * clients, "{said}");
}
