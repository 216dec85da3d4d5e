//! A fake Kavenegar: what a test holds, tells it and asks it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::behaviour::Behaviour;
use super::http::Request;
use super::kavenegar_server;

/// The one key the fake accepts.
pub const API_KEY: &str = "5A6B7C8D9E0F1A2B3C4D5E6F70819203";

/// How long the `wait_for_…` functions wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request that was read, whatever became of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its place in [`FakeKavenegar::calls`].
    pub index: usize,
    /// When it had been read.
    pub at: DateTime<Utc>,
    /// `sms/send`, `verify/lookup`, `sms/statuslocalmessageid` …
    pub method: String,
    /// The decoded fields, in the order sent.
    pub fields: Vec<(String, String)>,
    /// The raw request.
    pub request: Request,
}

impl Call {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// What a handset showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivered {
    /// A free text.
    Text(String),
    /// A template filled in.
    Template {
        /// Its name.
        name: String,
        /// The variables, in the order sent.
        tokens: Vec<(String, String)>,
    },
}

/// One text that reached a handset.
#[derive(Debug, Clone)]
pub struct Effect {
    /// `09…` for Iran, else the number's digits, however the request wrote it.
    pub destination: String,
    /// What it said.
    pub content: Delivered,
    /// The request's `localid`.
    pub local_id: Option<i64>,
    /// The id the fake gave it.
    pub message_id: i64,
    /// [`Call::index`] of the call that caused it.
    pub call: usize,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a hook returns.
type HookFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type Hook = Arc<dyn Fn(Call) -> HookFuture + Send + Sync>;

/// Everything the fake knows.
pub(super) struct State {
    pub(super) queued: VecDeque<(Option<String>, Behaviour)>,
    pub(super) default: Behaviour,
    pub(super) hook: Option<Hook>,
    pub(super) calls: Vec<Call>,
    pub(super) effects: Vec<Effect>,
    /// Approved templates and the variables each needs; none registered means all are approved.
    pub(super) templates: BTreeMap<String, Vec<String>>,
    /// Lines of the account besides the default one.
    pub(super) lines: Vec<String>,
    /// Entry by `localid`, as it was first answered.
    pub(super) by_local_id: HashMap<i64, serde_json::Value>,
    pub(super) last_message_id: i64,
}

/// The state, and how many calls and effects there are, for those who wait.
pub(super) struct Shared {
    state: Mutex<State>,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: usize,
    effects: usize,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Tells those who wait; after every change to `calls` or `effects`.
    pub(super) fn announce(&self) {
        let state = self.state();
        let counts = Counts { calls: state.calls.len(), effects: state.effects.len() };
        drop(state);
        self.counts.send_replace(counts);
    }
}

/// A running fake. It stops when dropped, with all its connections.
pub struct FakeKavenegar {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for FakeKavenegar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeKavenegar {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// No free port is left on this machine.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queued: VecDeque::new(),
                default: Behaviour::Ok,
                hook: None,
                calls: Vec::new(),
                effects: Vec::new(),
                templates: BTreeMap::new(),
                lines: Vec::new(),
                by_local_id: HashMap::new(),
                last_message_id: 8_792_342,
            }),
            counts: watch::Sender::new(Counts::default()),
        });
        let server = tokio::spawn(kavenegar_server::serve(listener, Arc::clone(&shared)));
        Self { address, shared, server }
    }

    /// The `base_url` to configure. Any path after it is accepted too.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Treats one of the next requests so; several wait in line.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.state().queued.push_back((None, behaviour));
    }

    /// Treats the next request to this destination (`09…`) so.
    pub fn behave_to(&self, destination: &str, behaviour: Behaviour) {
        self.shared.state().queued.push_back((Some(destination.to_owned()), behaviour));
    }

    /// Treats every request so for which nothing is queued.
    pub fn behave_always(&self, behaviour: Behaviour) {
        self.shared.state().default = behaviour;
    }

    /// Runs `hook` whenever a request has been read, before it is carried out and answered.
    pub fn on_call<F, R>(&self, hook: F)
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.shared.state().hook = Some(Arc::new(move |call| Box::pin(hook(call))));
    }

    /// Approves a template that needs these variables (`token` always). From the first one on,
    /// all others are unknown (424).
    pub fn approve_template(&self, name: &str, tokens: &[&str]) {
        let tokens = tokens.iter().map(|&token| token.to_owned()).collect();
        self.shared.state().templates.insert(name.to_owned(), tokens);
    }

    /// Gives the account another line to send from.
    pub fn add_line(&self, line: &str) {
        self.shared.state().lines.push(line.to_owned());
    }

    /// Every request read so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How many requests were read so far.
    pub fn call_count(&self) -> usize {
        self.shared.state().calls.len()
    }

    /// Every text that reached a handset so far.
    pub fn effects(&self) -> Vec<Effect> {
        self.shared.state().effects.clone()
    }

    /// The texts one handset (`09…`) received.
    pub fn effects_to(&self, destination: &str) -> Vec<Effect> {
        self.effects().into_iter().filter(|effect| effect.destination == destination).collect()
    }

    /// What handsets received more than once: destination, content, how often.
    pub fn duplicates(&self) -> Vec<(String, Delivered, usize)> {
        let mut counts = BTreeMap::new();
        for effect in self.effects() {
            *counts.entry((effect.destination, effect.content)).or_insert(0) += 1;
        }
        counts.into_iter().filter(|(_, n)| *n > 1).map(|((to, what), n)| (to, what, n)).collect()
    }

    /// Waits until there are `n` calls, and returns all there are.
    ///
    /// # Panics
    /// They do not come within 20 s.
    pub async fn wait_for_calls(&self, n: usize) -> Vec<Call> {
        self.wait_until(|counts| counts.calls >= n, &format!("{n} calls")).await;
        self.calls()
    }

    /// Waits until `n` texts have reached a handset, and returns all that have.
    ///
    /// # Panics
    /// They do not within 20 s.
    pub async fn wait_for_effects(&self, n: usize) -> Vec<Effect> {
        self.wait_until(|counts| counts.effects >= n, &format!("{n} effects")).await;
        self.effects()
    }

    async fn wait_until(&self, enough: impl Fn(&Counts) -> bool, what: &str) {
        let mut counts = self.shared.counts.subscribe();
        let waited = tokio::time::timeout(PATIENCE, counts.wait_for(|counts| enough(counts))).await;
        let (calls, effects) = (self.calls().len(), self.effects().len());
        assert!(waited.is_ok(), "no {what} in {PATIENCE:?}: {calls} calls, {effects} effects");
    }
}
