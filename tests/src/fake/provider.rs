//! A fake of any provider: its [`Protocol`] says what the real one would answer, the rest (how it
//! misbehaves, what it notes) is the same for all.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    behaviour::Behaviour,
    http::{Request, Response, wait_for_close},
    kavenegar::Delivered,
};

/// What the real provider would do with a request.
pub struct Answer {
    /// What it answers.
    pub response: Response,
    /// Who then receives what (`09…` for Iran, else the number's digits).
    pub delivered: Vec<(String, Delivered)>,
}

impl Answer {
    /// A refusal, or an answer to a question: nobody receives anything.
    pub fn only(response: Response) -> Self {
        Self { response, delivered: Vec::new() }
    }
}

/// A provider's rules, as strict as its documents say. The number counts the requests from 1.
pub type Protocol = Box<dyn Fn(&Request, u64) -> Answer + Send + Sync>;

struct State {
    queued: VecDeque<Behaviour>,
    always: Option<Behaviour>,
    calls: Vec<Request>,
    effects: Vec<(String, Delivered)>,
}

struct Shared {
    protocol: Protocol,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// A running fake. It stops when dropped, with all its connections.
pub struct FakeProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeProvider {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// No free port is left on this machine.
    pub async fn start(protocol: impl Fn(&Request, u64) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = State { queued: VecDeque::new(), always: None, calls: vec![], effects: vec![] };
        let shared = Arc::new(Shared { protocol: Box::new(protocol), state: Mutex::new(state) });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, server }
    }

    /// The `base_url` to configure.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Treats one of the next requests so; several wait in line.
    ///
    /// # Panics
    /// For a behaviour that only Kavenegar has.
    pub fn behave(&self, behaviour: Behaviour) {
        use Behaviour::{EntriesAbsent, EntriesAsObject, EntryStatus, Error, ErrorUnder};
        let of_kavenegar = matches!(
            behaviour,
            Error(_) | ErrorUnder { .. } | EntryStatus(_) | EntriesAsObject | EntriesAbsent
        );
        assert!(!of_kavenegar, "say it with Behaviour::HttpStatus");
        self.shared.state().queued.push_back(behaviour);
    }

    /// Treats all requests so that nothing waits in line for; `None`: as the real one would.
    pub fn behave_always(&self, behaviour: Option<Behaviour>) {
        self.shared.state().always = behaviour;
    }

    /// Every request read so far.
    pub fn calls(&self) -> Vec<Request> {
        self.shared.state().calls.clone()
    }

    /// Every text that reached a handset so far, with its number.
    pub fn effects(&self) -> Vec<(String, Delivered)> {
        self.shared.state().effects.clone()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // A broken connection is the client's business; the tests look at calls and effects.
        let shared = Arc::clone(&shared);
        connections.spawn(async move { drop(serve_connection(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        if stream.peek(&mut [0; 1]).await? == 0 {
            return Ok(());
        }
        if shared.state().queued.front() == Some(&Behaviour::ResetBeforeRead) {
            shared.state().queued.pop_front();
            return stream.set_zero_linger();
        }
        let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
        let (behaviour, response) = carry_out(shared, &request);
        if !respond(&mut stream, &behaviour, response).await? {
            return Ok(());
        }
    }
}

fn carry_out(shared: &Shared, request: &Request) -> (Behaviour, Response) {
    let mut state = shared.state();
    let always = state.always.clone();
    let behaviour = state.queued.pop_front().or(always).unwrap_or(Behaviour::Ok);
    state.calls.push(request.clone());
    let number = state.calls.len() as u64;
    drop(state);
    let answer = (shared.protocol)(request, number);
    if behaviour.has_effect() {
        shared.state().effects.extend(answer.delivered);
    }
    (behaviour, answer.response)
}

/// Answers as the behaviour says; false when the connection is over.
pub(super) async fn respond(
    stream: &mut TcpStream,
    how: &Behaviour,
    answer: Response,
) -> io::Result<bool> {
    let response = match how {
        Behaviour::HangAfterRead { .. } => {
            wait_for_close(stream).await?;
            return Ok(false);
        }
        Behaviour::ResetAfterRead { .. } => {
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Behaviour::TruncatedBody { .. } => {
            answer.write_half(stream).await?;
            return Ok(false);
        }
        Behaviour::SlowDrip { .. } => {
            answer.drip(stream).await?;
            return Ok(true);
        }
        Behaviour::InvalidJson { .. } => Response { body: b"{\"data\":".to_vec(), ..answer },
        Behaviour::HugeBody { .. } => {
            let mut response = answer;
            response.body.resize(response.body.len() + 1024 * 1024, b' ');
            response
        }
        Behaviour::EmptyObject => Response { body: json!({}).to_string().into_bytes(), ..answer },
        Behaviour::HttpStatus { status, headers, body } => {
            let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
            Response { status: *status, headers, body: body.clone().into_bytes() }
        }
        Behaviour::RateLimited { retry_after_secs } => Response::json(429, &json!({}))
            .with_header("Retry-After", &retry_after_secs.to_string()),
        _ => answer,
    };
    response.write(stream).await?;
    Ok(true)
}
