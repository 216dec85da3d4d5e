//! Shared commits for hot durable writes: what arrives while one transaction is under way is
//! written together by the next.
//!
//! An idle batcher writes a single item at once: batches form while a commit is running. After a
//! batch of several the next one waits, about a millisecond at most, for half as many: those who were
//! just answered are on their way again, and the first of them would otherwise go alone while the
//! others wait for it. A batch is one transaction on a connection of the batcher's own, with a
//! short lock time-out: an item that makes it fail (a locked row, a refused value) sends its
//! companions one by one through the ordinary pool, so that it delays and refuses nobody else.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    db,
    telemetry::{BATCH_SECONDS, BATCHED_WRITES},
};

/// Items of one transaction at most.
const BATCH: usize = 256;
/// Items waiting at most; beyond that a caller is refused at once.
const QUEUE: usize = 4_096;
/// Items waiting for one with an equal key at most; beyond that they are refused at once.
const SET_ASIDE: usize = 1_024;
/// Longest time a batch waits for company.
const COMPANY_TIME: Duration = Duration::from_millis(1);
/// Longest time for one batch.
const BATCH_TIME: Duration = Duration::from_secs(3);
/// Longest time to connect.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// Items written one by one at the same time.
const SINGLES: usize = 4;

/// A durable write that can share its transaction with others of its kind.
pub trait BatchWrite: Send + Sync + 'static {
    /// What it is called in logs and metrics.
    const NAME: &'static str;
    /// What one caller wants written.
    type Item: Send + Sync + 'static;
    /// What one caller is told.
    type Answer: Send + 'static;
    /// What an item locks: items with equal keys never share a batch, and batches lock in the
    /// order of their keys.
    type Key: Ord + Send;

    /// The item's key.
    fn key(&self, item: &Self::Item) -> Self::Key;

    /// Whether [`BatchWrite::write`] is one statement that does no harm when it runs twice. It
    /// needs no transaction around it then, which saves two round trips, and is repeated when the
    /// connection is lost.
    fn is_one_statement(&self) -> bool {
        false
    }

    /// Writes all items inside a transaction of the caller's; one answer each, in their order.
    ///
    /// # Errors
    /// When the database refuses or is away; nothing may be kept then.
    fn write(
        &self,
        connection: &mut PgConnection,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

/// Why an item has no answer.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The database refused this very item; it is not written.
    #[error(transparent)]
    Refused(#[from] sqlx::Error),
    /// The database is away or too slow. The item may have been written.
    #[error("the database is away")]
    Away,
    /// Too many items wait already; the item is not written.
    #[error("too many writes are waiting")]
    Full,
}

impl WriteError {
    /// Whether the same write may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(error) => db::is_unavailable(error),
            Self::Away | Self::Full => true,
        }
    }
}

struct Waiting<W: BatchWrite> {
    item: W::Item,
    answer: oneshot::Sender<Result<W::Answer, WriteError>>,
}

/// The entrance to the batchers of one kind of write.
pub struct Batcher<W: BatchWrite> {
    queue: mpsc::Sender<Waiting<W>>,
}

impl<W: BatchWrite> Clone for Batcher<W> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<W: BatchWrite> Batcher<W> {
    /// Starts `writers` batchers, each with a connection of its own. They end, after writing what
    /// waits, when the last clone of the batcher is dropped.
    pub fn start(write: W, pool: &PgPool, writers: usize) -> Self {
        let (queue, items) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            write,
            items: tokio::sync::Mutex::new(items),
            pool: pool.clone(),
            singles: Arc::new(Semaphore::new(SINGLES)),
        });
        for _ in 0..writers.max(1) {
            tokio::spawn(shared.clone().run());
        }
        Self { queue }
    }

    /// Writes one item and waits for its answer. A caller that goes away before the item's
    /// transaction began leaves nothing behind.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write(&self, item: W::Item) -> Result<W::Answer, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { item, answer }).map_err(|_| WriteError::Full)?;
        answered.await.unwrap_or(Err(WriteError::Away))
    }
}

/// What a failure of a batch leaves behind.
enum Failure {
    /// The connection is lost, and the batch may be written again on another one.
    Lost(sqlx::Error),
    /// Anything else; whether a commit got through is not known.
    Within(sqlx::Error),
}

struct Shared<W: BatchWrite> {
    write: W,
    items: tokio::sync::Mutex<mpsc::Receiver<Waiting<W>>>,
    pool: PgPool,
    singles: Arc<Semaphore>,
}

impl<W: BatchWrite> Shared<W> {
    async fn run(self: Arc<Self>) {
        let mut connection = None;
        let mut later = Vec::new();
        let mut company = 0;
        loop {
            let mut batch = std::mem::take(&mut later);
            if !self.gather(&mut batch, company).await {
                return;
            }
            company = batch.len() / 2;
            later = self.set_aside_equals(&mut batch);
            self.write_batch(&mut connection, batch).await;
        }
    }

    /// Adds what waits; waits for something only when there is nothing yet, and a moment for
    /// `company` items in all. `false` at the end.
    async fn gather(&self, batch: &mut Vec<Waiting<W>>, company: usize) -> bool {
        if batch.is_empty() {
            let mut items = self.items.lock().await;
            items.recv_many(batch, BATCH).await;
            if !batch.is_empty() && batch.len() < company {
                let arriving = async {
                    while batch.len() < company {
                        if items.recv_many(batch, BATCH - batch.len()).await == 0 {
                            return;
                        }
                    }
                };
                let _ = tokio::time::timeout(COMPANY_TIME, arriving).await;
            }
        } else if let Ok(mut items) = self.items.try_lock() {
            // Somebody else holding the lock waits for new items: ours must not wait with them.
            // Those set aside take nobody's place.
            let most = batch.len() + BATCH;
            while batch.len() < most {
                let Ok(waiting) = items.try_recv() else { break };
                batch.push(waiting);
            }
        }
        !batch.is_empty()
    }

    /// Keeps the first item of each key, in the order of the keys; gives back the others.
    /// Items whose callers went away are dropped.
    fn set_aside_equals(&self, batch: &mut Vec<Waiting<W>>) -> Vec<Waiting<W>> {
        batch.retain(|waiting| !waiting.answer.is_closed());
        let mut keys = BTreeSet::new();
        let (mut first, mut later): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|waiting| keys.insert(self.write.key(&waiting.item)));
        for surplus in later.drain(SET_ASIDE.min(later.len())..) {
            let _ = surplus.answer.send(Err(WriteError::Full));
        }
        first.sort_by_cached_key(|waiting| self.write.key(&waiting.item));
        *batch = first;
        later
    }

    async fn write_batch(
        self: &Arc<Self>,
        connection: &mut Option<PgConnection>,
        batch: Vec<Waiting<W>>,
    ) {
        if batch.is_empty() {
            return;
        }
        let (items, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.item, waiting.answer)).unzip();
        let timer = BATCH_SECONDS.with_label_values(&[W::NAME]).start_timer();
        let written = tokio::time::timeout(BATCH_TIME, self.try_batch(connection, &items)).await;
        timer.observe_duration();
        match written {
            Ok(Ok(answers)) => {
                count::<W>("written", items.len());
                for (caller, answer) in callers.into_iter().zip(answers) {
                    let _ = caller.send(Ok(answer));
                }
            }
            Ok(Err(error)) if is_of_an_item(&error) => {
                tracing::debug!(%error, write = W::NAME, items = items.len(), "batch split");
                count::<W>("singly", items.len());
                self.write_singly(items.into_iter().zip(callers));
            }
            failed => {
                *connection = None;
                let error = failed.map_or_else(|_| "timed out".to_owned(), |e| describe(e.err()));
                tracing::warn!(error, write = W::NAME, items = items.len(), "batch failed");
                count::<W>("away", items.len());
                for caller in callers {
                    let _ = caller.send(Err(WriteError::Away));
                }
            }
        }
    }

    /// Writes a batch, on a new connection if the old one died meanwhile.
    async fn try_batch(
        &self,
        connection: &mut Option<PgConnection>,
        items: &[W::Item],
    ) -> Result<Vec<W::Answer>, sqlx::Error> {
        loop {
            let (mut current, fresh) = match connection.take() {
                Some(current) => (current, false),
                None => (connect(&self.pool).await?, true),
            };
            match self.write_all(&mut current, items).await {
                Ok(answers) => {
                    *connection = Some(current);
                    return Ok(answers);
                }
                Err(Failure::Lost(error)) if !fresh => {
                    tracing::info!(%error, "batch connection lost");
                }
                Err(Failure::Lost(error)) => return Err(error),
                Err(Failure::Within(error)) => {
                    // Such an error ends the transaction and leaves the connection sound.
                    *connection = is_of_an_item(&error).then_some(current);
                    return Err(error);
                }
            }
        }
    }

    async fn write_all(
        &self,
        connection: &mut PgConnection,
        items: &[W::Item],
    ) -> Result<Vec<W::Answer>, Failure> {
        if self.write.is_one_statement() {
            let written = self.write.write(connection, items).await;
            return written.map_err(|error| {
                if is_lost(&error) { Failure::Lost(error) } else { Failure::Within(error) }
            });
        }
        // Nothing of the batch has been asked of the database yet.
        let mut tx = connection.begin().await.map_err(Failure::Lost)?;
        let answers = self.write.write(&mut tx, items).await.map_err(Failure::Within)?;
        tx.commit().await.map_err(Failure::Within)?;
        Ok(answers)
    }

    fn write_singly(
        self: &Arc<Self>,
        items: impl Iterator<Item = (W::Item, oneshot::Sender<Result<W::Answer, WriteError>>)>,
    ) {
        for (item, caller) in items {
            let this = self.clone();
            tokio::spawn(async move {
                let _turn = this.singles.clone().acquire_owned().await;
                // Whoever waited for its turn in vain may have asked again elsewhere.
                if caller.is_closed() {
                    return;
                }
                let result = this.write_one(item).await.map_err(|error| {
                    if is_of_an_item(&error) {
                        WriteError::Refused(error)
                    } else {
                        WriteError::Away
                    }
                });
                let _ = caller.send(result);
            });
        }
    }

    async fn write_one(&self, item: W::Item) -> Result<W::Answer, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let mut answers = self.write.write(&mut tx, &[item]).await?;
        tx.commit().await?;
        answers.pop().ok_or(sqlx::Error::RowNotFound)
    }
}

fn count<W: BatchWrite>(result: &str, items: usize) {
    BATCHED_WRITES.with_label_values(&[W::NAME, result]).inc_by(items as u64);
}

async fn connect(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = pool.connect_options().as_ref().clone();
    let options = options.options([
        ("statement_timeout", "3000"),
        ("lock_timeout", "20"),
        // A process that is frozen or cut off in the middle holds the counters everybody needs:
        // they are let go before those who wait for them (two seconds) give up.
        ("idle_in_transaction_session_timeout", "1500"),
        // Everything written here is found by its key. A plan made while a table was small would
        // read all of it, and be kept while the table grows.
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // Planning for the values of each batch costs more than most of them take.
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    tokio::time::timeout(CONNECT_TIME, PgConnection::connect_with(&options))
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Errors that one item causes and the others did not deserve: a value the database refuses
/// (class 22), a constraint (23), a lock somebody else holds (55P03), a deadlock (40P01).
fn is_of_an_item(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| {
        code.starts_with("22") || code.starts_with("23") || code == "55P03" || code == "40P01"
    })
}

/// Errors of a connection that is no more: PostgreSQL ends it (class 57P) or nobody answers.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        error => {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            code.is_some_and(|code| code.starts_with("57P"))
        }
    }
}

fn describe(error: Option<sqlx::Error>) -> String {
    error.map(|error| error.to_string()).unwrap_or_default()
}
