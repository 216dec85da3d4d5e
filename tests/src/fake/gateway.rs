//! A fake of any payment gateway: its [`Desk`] knows the rules, the rest (how it misbehaves, what it
//! notes, what it holds back) is the same for all.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use super::{
    behaviour::Behaviour,
    books::Books,
    http::{Request, Response},
    provider::respond,
};

/// What the real gateway would do, as strict as its documents say.
pub trait Desk: Send + 'static {
    /// Answers a request and keeps what came of it.
    fn answer(&mut self, request: &Request) -> Response;
    /// What it keeps.
    fn books(&mut self) -> &mut Books;
}

/// One of the next requests whose path holds `call` is treated so.
struct Script {
    call: String,
    how: How,
}

enum How {
    Behave(Behaviour),
    /// Carried out; told that it is, and answered when the other end says so or is gone.
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

struct State<D> {
    desk: D,
    scripts: Vec<Script>,
    calls: Vec<Request>,
}

/// A running fake. It stops when dropped, with all its connections.
pub struct FakeGateway<D: Desk> {
    address: SocketAddr,
    state: Arc<Mutex<State<D>>>,
    server: JoinHandle<()>,
}

impl<D: Desk> Drop for FakeGateway<D> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer that is held back. Dropping it lets the answer go.
pub struct Held {
    carried_out: oneshot::Receiver<()>,
    _go: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the request has come in and was carried out.
    ///
    /// # Panics
    /// It did not come within [`PATIENCE`](crate::harness::PATIENCE).
    pub async fn carried_out(&mut self) {
        let came = tokio::time::timeout(crate::harness::PATIENCE, &mut self.carried_out).await;
        came.expect("waited in vain for the call").expect("the fake runs");
    }
}

impl<D: Desk> FakeGateway<D> {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// No free port is left on this machine.
    pub async fn start_with(desk: D) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = State { desk, scripts: Vec::new(), calls: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// The `base_url` to configure.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Treats one of the next requests whose path holds `call` so (empty: any); several wait in
    /// line. Only behaviours with an effect, and [`Behaviour::Ok`], change the books.
    pub fn behave(&self, call: &str, behaviour: Behaviour) {
        let how = How::Behave(behaviour);
        self.state().scripts.push(Script { call: call.to_owned(), how });
    }

    /// Carries one of the next requests out and holds its answer back.
    pub fn hold(&self, call: &str) -> Held {
        let (tell, carried_out) = oneshot::channel();
        let (go, wait) = oneshot::channel();
        self.state().scripts.push(Script { call: call.to_owned(), how: How::Hold(tell, wait) });
        Held { carried_out, _go: go }
    }

    /// Every request read so far.
    pub fn calls(&self) -> Vec<Request> {
        self.state().calls.clone()
    }

    /// How many requests were read whose path holds `call`.
    pub fn count(&self, call: &str) -> usize {
        self.state().calls.iter().filter(|request| request.path().contains(call)).count()
    }

    /// Looks into the books, or changes them.
    pub fn books<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        work(self.state().desk.books())
    }

    /// Changes the rules.
    pub fn desk<T>(&self, work: impl FnOnce(&mut D) -> T) -> T {
        work(&mut self.state().desk)
    }

    /// The payer pays.
    pub fn pay(&self, authority: &str) {
        self.books(|books| books.pay(authority));
    }

    /// The payer turns back.
    pub fn cancel(&self, authority: &str) {
        self.books(|books| books.cancel(authority));
    }

    /// How often a page was verified for the first time: the money is the shop's. More than once
    /// would be a gateway's mistake.
    pub fn verified(&self, authority: &str) -> usize {
        self.books(|books| books.page(authority).verified)
    }

    /// The rials that were verified and not given back.
    pub fn captured(&self) -> i64 {
        self.books(|books| books.captured())
    }

    fn state(&self) -> MutexGuard<'_, State<D>> {
        lock(&self.state)
    }
}

fn lock<D>(state: &Mutex<State<D>>) -> MutexGuard<'_, State<D>> {
    state.lock().expect("no holder of this lock panics")
}

async fn serve<D: Desk>(listener: TcpListener, state: Arc<Mutex<State<D>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move { drop(serve_connection(stream, &state).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection<D: Desk>(
    mut stream: TcpStream,
    state: &Mutex<State<D>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(request) = Request::read(&mut stream).await? {
        let (how, response) = carry_out(&mut lock(state), request);
        let behaviour = match how {
            How::Behave(behaviour) => behaviour,
            How::Hold(tell, wait) => {
                let _ = tell.send(());
                let _ = wait.await;
                Behaviour::Ok
            }
        };
        if !respond(&mut stream, &behaviour, response).await? {
            break;
        }
    }
    Ok(())
}

fn carry_out<D: Desk>(state: &mut State<D>, request: Request) -> (How, Response) {
    let path = request.path();
    let at = state.scripts.iter().position(|script| path.contains(&script.call));
    let how = at.map_or(How::Behave(Behaviour::Ok), |at| state.scripts.remove(at).how);
    let has_effect = match &how {
        How::Behave(behaviour) => behaviour.has_effect(),
        How::Hold(..) => true,
    };
    let response = if has_effect {
        state.desk.answer(&request)
    } else {
        // Never seen whole: what has no effect has no answer of the desk's either.
        Response::json(200, &serde_json::json!({"nothing": "was done"}))
    };
    state.calls.push(request);
    (how, response)
}
