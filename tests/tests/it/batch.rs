//! Shared commits: who shares, who does not have to suffer for whom, and what is true after a
//! failure.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use peyk_tests::harness::{Gate, TestDatabase, wait_for};
use shared::{
    batch::{BatchWrite, Batcher, WriteError},
    config,
};
use sqlx::{PgConnection, PgPool};
use tokio::{sync::Semaphore, task::JoinHandle};

/// Upserts `(key, value)`; the database refuses the value `bad`. Can be held up in the middle of
/// its transaction.
#[derive(Clone)]
struct Upsert {
    /// Sizes of the batches that were begun.
    sizes: Arc<Mutex<Vec<usize>>>,
    held: Arc<AtomicBool>,
    go_on: Arc<Semaphore>,
}

type Item = (i64, &'static str);

impl BatchWrite for Upsert {
    const NAME: &'static str = "test";
    type Item = Item;
    type Answer = i64;
    type Key = i64;

    fn key(&self, (key, _): &Item) -> i64 {
        *key
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        items: &[Item],
    ) -> Result<Vec<i64>, sqlx::Error> {
        let keys: Vec<_> = items.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "equal keys");
        assert!(keys.is_sorted(), "rows are locked in one order");
        self.sizes.lock().unwrap().push(items.len());
        let values: Vec<_> = items.iter().map(|(_, value)| (*value).to_owned()).collect();
        sqlx::query(
            "INSERT INTO scratch AS s SELECT * FROM unnest($1::bigint[], $2::text[])
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(&keys)
        .bind(values)
        .execute(&mut *connection)
        .await?;
        if self.held.load(Ordering::Relaxed) {
            self.go_on.acquire().await.expect("never closed").forget();
        }
        // Also notices that the connection is gone.
        sqlx::query("SELECT 1").execute(connection).await?;
        Ok(keys)
    }
}

struct Bench {
    database: TestDatabase,
    write: Upsert,
    batcher: Batcher<Upsert>,
}

type Answer = JoinHandle<Result<i64, WriteError>>;

impl Bench {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let url = database.url().to_owned();
        Self::over(database, &url).await
    }

    async fn over(database: TestDatabase, url: &str) -> Self {
        let table = "CREATE TABLE scratch (key bigint PRIMARY KEY,
                     value text NOT NULL CHECK (value <> 'bad'))";
        database.execute(table).await;
        let config = config::Database { url: url.into(), ..config::Database::default() };
        let pool = shared::db::connect(&config).unwrap();
        let write = Upsert {
            sizes: Arc::default(),
            held: Arc::default(),
            go_on: Arc::new(Semaphore::new(0)),
        };
        let batcher = Batcher::start(write.clone(), &pool, 1);
        Self { database, write, batcher }
    }

    fn write(&self, item: Item) -> Answer {
        let batcher = self.batcher.clone();
        tokio::spawn(async move { batcher.write(item).await })
    }

    /// Begins a batch of one and keeps it in the middle of its transaction.
    async fn hold(&self, key: i64) -> Answer {
        self.write.held.store(true, Ordering::Relaxed);
        let begun = self.sizes().len();
        let answer = self.write((key, "held"));
        wait_for("the batch", || async { (self.sizes().len() > begun).then_some(()) }).await;
        answer
    }

    fn release(&self) {
        self.write.held.store(false, Ordering::Relaxed);
        self.write.go_on.add_permits(1);
    }

    fn sizes(&self) -> Vec<usize> {
        self.write.sizes.lock().unwrap().clone()
    }

    async fn rows(&self) -> i64 {
        self.database.count("SELECT count(*) FROM scratch").await
    }

    /// Ends the connections that are not the test's own.
    async fn cut(&self) {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()
                        AND (query LIKE '%scratch AS s%' OR query IN ('SELECT 1', 'COMMIT'))";
        self.database.execute(others).await;
    }
}

async fn answers(waiting: Vec<Answer>) -> Vec<Result<i64, WriteError>> {
    join_all(waiting).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_arrives_while_a_commit_runs_shares_the_next_one() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let others: Vec<_> = (1..=100).rev().map(|key| bench.write((key, "x"))).collect();
    // All have asked before the first is let go.
    tokio::task::yield_now().await;
    bench.release();
    assert_eq!(first.await.unwrap().unwrap(), 0);
    let answered: Vec<_> = answers(others).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answered, (1..=100).rev().collect::<Vec<_>>(), "each caller has its own answer");
    assert_eq!(bench.sizes(), [1, 100]);
    assert_eq!(bench.rows().await, 101);
}

#[tokio::test]
async fn an_idle_batcher_writes_a_single_item_at_once() {
    let bench = Bench::new().await;
    for key in 0..5 {
        bench.write((key, "x")).await.unwrap().unwrap();
    }
    assert_eq!(bench.sizes(), [1; 5]);
}

#[tokio::test]
async fn after_a_batch_of_several_the_next_waits_a_moment_for_company() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let ten: Vec<_> = (1..=10).map(|key| bench.write((key, "x"))).collect();
    tokio::task::yield_now().await;
    bench.release();
    first.await.unwrap().unwrap();
    answers(ten).await;
    let early = bench.write((20, "x"));
    tokio::task::yield_now().await;
    let others: Vec<_> = (21..25).map(|key| bench.write((key, "x"))).collect();
    assert_eq!(early.await.unwrap().unwrap(), 20);
    answers(others).await;
    assert_eq!(bench.sizes(), [1, 10, 5]);
    bench.write((30, "x")).await.unwrap().expect("nobody waits for company that does not come");
    assert_eq!(bench.sizes(), [1, 10, 5, 1]);
}

#[tokio::test]
async fn equal_keys_never_share_a_commit_and_none_is_forgotten() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let same: Vec<_> = (0..10).map(|_| bench.write((7, "x"))).collect();
    let others: Vec<_> = (100..120).map(|key| bench.write((key, "x"))).collect();
    tokio::task::yield_now().await;
    bench.release();
    first.await.unwrap().unwrap();
    assert!(answers(same).await.iter().all(Result::is_ok));
    assert!(answers(others).await.iter().all(Result::is_ok));
    assert_eq!(bench.sizes().iter().sum::<usize>(), 31);
    assert_eq!(bench.rows().await, 22);
}

#[tokio::test]
async fn a_value_the_database_refuses_fails_alone() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let waiting: Vec<_> =
        (1..=50).map(|key| bench.write((key, if key == 25 { "bad" } else { "x" }))).collect();
    tokio::task::yield_now().await;
    bench.release();
    first.await.unwrap().unwrap();
    let answers = answers(waiting).await;
    for (key, answer) in (1..).zip(&answers) {
        assert_eq!(answer.is_err(), key == 25, "{key}: {answer:?}");
    }
    let refused = answers[24].as_ref().unwrap_err();
    assert!(matches!(refused, WriteError::Refused(_)) && !refused.is_passing(), "{refused:?}");
    assert_eq!(bench.rows().await, 50);
    bench.write((99, "x")).await.unwrap().expect("the batcher goes on");
}

#[tokio::test]
async fn a_row_somebody_else_holds_holds_up_nobody_else() {
    let bench = Bench::new().await;
    bench.write((5, "x")).await.unwrap().unwrap();
    let mut holder = bench.database.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM scratch WHERE key = 5 FOR UPDATE");
    lock.execute(&mut *holder).await.unwrap();
    let held = bench.hold(0).await;
    let blocked = bench.write((5, "y"));
    let others: Vec<_> = (100..120).map(|key| bench.write((key, "x"))).collect();
    tokio::task::yield_now().await;
    bench.release();
    held.await.unwrap().unwrap();
    let begun = Instant::now();
    assert!(answers(others).await.iter().all(Result::is_ok));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!blocked.is_finished());
    bench.write((200, "x")).await.unwrap().expect("later batches go on, too");
    holder.rollback().await.unwrap();
    assert_eq!(blocked.await.unwrap().unwrap(), 5);
}

#[tokio::test]
async fn a_connection_lost_while_idle_is_replaced_and_nobody_notices() {
    let bench = Bench::new().await;
    for key in 0..5 {
        bench.write((key, "x")).await.unwrap().unwrap();
        bench.cut().await;
    }
    bench.write((9, "x")).await.unwrap().unwrap();
    assert_eq!(bench.rows().await, 6);
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_an_honest_unknown() {
    let bench = Bench::new().await;
    let caught = bench.hold(1).await;
    let waiting = bench.write((2, "x"));
    bench.cut().await;
    bench.release();
    let error = caught.await.unwrap().unwrap_err();
    assert!(matches!(error, WriteError::Away) && error.is_passing(), "{error:?}");
    assert_eq!(waiting.await.unwrap().unwrap(), 2);
    assert_eq!(bench.rows().await, 1);
}

/// One statement, which may run twice; can be made to take long. By a nap that a lost connection
/// ends: for a lock the connection would not wait, it has a `lock_timeout` of milliseconds.
#[derive(Clone, Default)]
struct InsertOnce {
    slow: Arc<AtomicBool>,
}

impl BatchWrite for InsertOnce {
    const NAME: &'static str = "test_once";
    type Item = i64;
    type Answer = ();
    type Key = i64;

    fn key(&self, key: &i64) -> i64 {
        *key
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        keys: &[i64],
    ) -> Result<Vec<()>, sqlx::Error> {
        let seconds = if self.slow.swap(false, Ordering::Relaxed) { 30.0 } else { 0.0 };
        sqlx::query(
            "WITH nap AS MATERIALIZED (SELECT pg_sleep($2))
             INSERT INTO scratch AS s SELECT key, 'x' FROM unnest($1::bigint[]) key, nap
             ON CONFLICT DO NOTHING",
        )
        .bind(keys)
        .bind(seconds)
        .execute(connection)
        .await?;
        Ok(vec![(); keys.len()])
    }
}

#[tokio::test]
async fn one_statement_that_may_run_twice_survives_a_lost_connection_in_its_middle() {
    let bench = Bench::new().await;
    let write = InsertOnce::default();
    let batcher = Batcher::start(write.clone(), &bench.database.pool, 1);
    batcher.write(1).await.unwrap();
    bench.cut().await;
    batcher.write(2).await.expect("lost while idle");
    write.slow.store(true, Ordering::Relaxed);
    let caught = tokio::spawn(async move { batcher.write(3).await });
    let asleep = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event = 'PgSleep'";
    wait_for("the statement", || async { (bench.database.count(asleep).await == 1).then_some(()) })
        .await;
    bench.cut().await;
    caught.await.unwrap().expect("lost in the middle");
    assert_eq!(bench.rows().await, 3);
}

#[tokio::test]
async fn without_postgres_callers_are_told_quickly_and_it_goes_on_once_it_is_back() {
    let database = TestDatabase::create().await;
    let mut gate = Gate::to(&database.address()).await;
    let url = database.url().replace(&database.address(), &gate.address().to_string());
    let bench = Bench::over(database, &url).await;
    bench.write((1, "x")).await.unwrap().unwrap();
    gate.shut().await;
    let begun = Instant::now();
    let refused: Vec<_> = (10..60).map(|key| bench.write((key, "x"))).collect();
    for answer in answers(refused).await {
        assert!(matches!(answer, Err(WriteError::Away)), "{answer:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    gate.open().await;
    bench.write((2, "x")).await.unwrap().unwrap();
    assert_eq!(bench.rows().await, 2);
}

#[tokio::test]
async fn a_caller_that_went_away_before_its_commit_leaves_nothing() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let (gone, stays) = (bench.write((1, "x")), bench.write((2, "x")));
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    bench.release();
    first.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
    let keys = "SELECT count(*) FROM scratch WHERE key IN (0, 2)";
    assert_eq!((bench.rows().await, bench.database.count(keys).await), (2, 2));
}

#[tokio::test]
async fn a_caller_that_went_away_while_items_are_written_singly_leaves_nothing() {
    let bench = Bench::new().await;
    for key in 1..=4 {
        bench.write((key, "x")).await.unwrap().unwrap();
    }
    let mut holder = bench.database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM scratch FOR UPDATE").execute(&mut *holder).await.unwrap();
    let held = bench.hold(0).await;
    let blocked: Vec<_> = (1..=4).map(|key| bench.write((key, "y"))).collect();
    let (gone, stays) = (bench.write((50, "x")), bench.write((60, "x")));
    tokio::task::yield_now().await;
    let begun = bench.sizes().len();
    bench.release();
    held.await.unwrap().unwrap();
    // The batch of six, and four of them that wait for their rows: the other two have no turn yet.
    wait_for("single writes", || async { (bench.sizes().len() == begun + 5).then_some(()) }).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    holder.rollback().await.unwrap();
    assert!(answers(blocked).await.iter().all(Result::is_ok));
    stays.await.unwrap().unwrap();
    let keys = "SELECT count(*) FROM scratch WHERE key IN (50, 60)";
    assert_eq!(bench.database.count(keys).await, 1);
}

#[tokio::test]
async fn what_waits_is_written_before_a_batcher_ends() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let waiting: Vec<_> = (1..=20).map(|key| bench.write((key, "x"))).collect();
    tokio::task::yield_now().await;
    let Bench { database, write, batcher } = bench;
    drop(batcher);
    write.held.store(false, Ordering::Relaxed);
    write.go_on.add_permits(1);
    first.await.unwrap().unwrap();
    assert!(answers(waiting).await.iter().all(Result::is_ok));
    assert_eq!(database.count("SELECT count(*) FROM scratch").await, 21);
    let pool: &PgPool = &database.pool;
    wait_for("its connection to end", || async {
        let open = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND query LIKE '%scratch AS s%'
                      AND pid <> pg_backend_pid()";
        (sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.ok()? == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn beyond_the_bound_callers_are_refused_at_once() {
    let bench = Bench::new().await;
    let first = bench.hold(0).await;
    let waiting: Vec<_> = (1..=4_200).map(|key| bench.write((key, "x"))).collect();
    let refused = wait_for("a refusal", || async {
        let refused = waiting.iter().filter(|answer| answer.is_finished()).count();
        (refused >= 4_200 - 4_096).then_some(refused)
    })
    .await;
    assert_eq!(refused, 4_200 - 4_096);
    bench.release();
    first.await.unwrap().unwrap();
    let answers = answers(waiting).await;
    let full = answers.iter().filter(|answer| matches!(answer, Err(WriteError::Full))).count();
    assert_eq!((full, bench.rows().await), (refused, 4_097));
}
