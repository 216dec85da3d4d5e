//! The system that is measured: databases, Redis, provider, and the processes of Peyk.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use shared::{
    config::{Config, Database, Mode, init_toml},
    jobs::Queue,
    queue::QueueServer,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::{
    Options,
    board::{Board, Boards},
    gateway::Gateway,
    http::Connection as HttpConnection,
    processes::{self, Process},
    progress,
    provider::Provider,
};

/// Longest wait for a process to be ready.
const READY: Duration = Duration::from_secs(30);
/// Limits and caps stay on, set beyond what the load reaches.
const SETTINGS: [(&str, &str); 14] = [
    // A run takes longer than a token lives.
    ("AUTH__ACCESS_TTL_SECONDS", "7200"),
    ("MODE", "production"),
    ("LOG__FORMAT", "json"),
    ("LIMITS__OTP_SEND_PER_IP", "500000/1s"),
    ("LIMITS__OTP_SEND_PER_TARGET", "10/1h"),
    ("LIMITS__DAILY_SENDS", "1000000000"),
    ("SMS__PROVIDERS__KAVENEGAR__API_KEY", "0123456789ABCDEF"),
    ("HTTP__PUBLIC_URL", "http://127.0.0.1:8080"),
    ("REDIS__PREFIX", "peyk"),
    ("OTP__KEYS__K1", crate::http::OTP_KEY),
    ("PAYMENTS__GATEWAYS__ZARINPAL__MERCHANT_ID", "00000000-0000-0000-0000-000000000000"),
    ("PAYMENTS__HOURLY_PER_USER", "1000000"),
    ("CHAT__RATE", "500000/1s"),
    ("CHAT__SOCKETS__PER_USER", "1000"),
];

/// Everything under test.
pub(crate) struct System {
    /// Peyk's database, through the pool that Peyk's processes use.
    pub(crate) pool: PgPool,
    /// URL of a database with the same tables, for pgbench.
    pub(crate) yardstick_url: String,
    yardstick: PgPool,
    /// Redis, for looks into it.
    pub(crate) redis: redis::aio::MultiplexedConnection,
    /// Redis's address.
    pub(crate) redis_url: String,
    /// The provider all texts go to.
    pub(crate) provider: Provider,
    /// Where the api listens.
    pub(crate) address: SocketAddr,
    operations: SocketAddr,
    /// Process ids of the servers.
    pub(crate) postgres: u32,
    pub(crate) redis_server: u32,
    boards: Boards,
    environment: Vec<(String, String)>,
    binaries: PathBuf,
    out: PathBuf,
    api: Option<Process>,
    worker: Option<Process>,
}

impl System {
    /// Makes the databases; starts no process of Peyk yet.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<Self> {
        shared::install_crypto();
        let admin_url = variable("DATABASE_URL")?;
        let redis_url = variable("REDIS_URL")?;
        let (database_url, pool) = database(&admin_url, "peyk_bench").await?;
        let (yardstick_url, yardstick) = database(&admin_url, "peyk_yardstick").await?;
        let mut redis =
            redis::Client::open(&*redis_url)?.get_multiplexed_async_connection().await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        let redis_server = pid.context("Redis does not say its process id")?.trim().parse()?;
        let provider = Provider::start()?;
        let gateway = Gateway::start()?;
        let (address, operations) = (free_address()?, free_address()?);
        let config = options.out.join("peyk.toml");
        std::fs::write(&config, init_toml(Mode::Production))?;
        let mut environment = vec![("PEYK_CONFIG".to_owned(), config.display().to_string())];
        let mut set = |name: &str, value: String| {
            environment.push((format!("PEYK__{name}"), value));
        };
        set("DATABASE__URL", database_url);
        set("REDIS__URL", redis_url.clone());
        set("HTTP__LISTEN", address.to_string());
        set("WORKER__OPERATIONS_LISTEN", operations.to_string());
        set("SMS__PROVIDERS__KAVENEGAR__BASE_URL", provider.url());
        set("PAYMENTS__GATEWAYS__ZARINPAL__BASE_URL", gateway.url());
        set("CHAT__FILES__STORAGE", options.out.join("files").display().to_string());
        set("LOG__FILTER", options.log_filter.clone());
        for (name, value) in SETTINGS {
            set(name, value.to_owned());
        }
        Ok(Self {
            postgres: postmaster(&pool).await?,
            pool,
            yardstick_url,
            yardstick,
            redis,
            redis_url,
            provider,
            address,
            operations,
            redis_server,
            boards: Boards::default(),
            environment,
            binaries: variable("PEYK_BIN_DIR")?.into(),
            out: options.out.clone(),
            api: None,
            worker: None,
        })
    }

    /// The configuration of Peyk's processes.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let file = std::fs::read_to_string(self.out.join("peyk.toml"))?;
        Ok(Config::from_parts(Some(("peyk.toml", &file)), self.environment.iter().cloned())?)
    }

    /// Starts the api, if it does not run, and gives its process id.
    pub(crate) async fn need_api(&mut self) -> anyhow::Result<u32> {
        let api = match self.api.take() {
            Some(api) => api,
            None => self.process("api", &["serve"], self.address, &[]).await?,
        };
        Ok(self.api.insert(api).pid())
    }

    /// Starts a worker with these settings; none may run.
    pub(crate) async fn start_worker(
        &mut self,
        settings: &[(&str, String)],
    ) -> anyhow::Result<u32> {
        let worker = self.process("worker", &[], self.operations, settings).await?;
        Ok(self.worker.insert(worker).pid())
    }

    /// Drains and ends the worker, if one runs.
    pub(crate) async fn stop_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop().await;
        }
    }

    /// Ends all processes of Peyk.
    pub(crate) async fn stop(&mut self) {
        self.stop_worker().await;
        if let Some(api) = self.api.take() {
            api.stop().await;
        }
    }

    /// Process ids of the api and the worker, as far as they run.
    pub(crate) fn pids(&self) -> (Option<u32>, Option<u32>) {
        (self.api.as_ref().map(Process::pid), self.worker.as_ref().map(Process::pid))
    }

    /// Empty tables, an empty Redis and a board for the requests to come.
    pub(crate) async fn clear(
        &mut self,
        capacity: usize,
        clients: usize,
        delay: Duration,
    ) -> anyhow::Result<Arc<Board>> {
        for pool in [&self.pool, &self.yardstick] {
            empty(pool).await?;
        }
        self.forget_redis().await?;
        // Or it would come in the middle of a run.
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        let board = Arc::new(self.boards.next(capacity, clients));
        self.provider.note_on(board.clone(), delay);
        Ok(board)
    }

    /// Accounts with so much each in both databases; the id of the api's first, whom the others follow.
    pub(crate) async fn ready_wallets(&self, wallets: usize, rials: i64) -> anyhow::Result<i64> {
        ready_wallets(&self.yardstick, wallets, rials).await?;
        ready_wallets(&self.pool, wallets, rials).await
    }

    /// A history of so many entries more for one wallet; the id of one in the middle.
    pub(crate) async fn ready_entries(&self, user: i64, entries: usize) -> anyhow::Result<i64> {
        ready_entries(&self.pool, user, entries).await
    }

    /// Accounts and rooms in both databases, those of the api first: each room has `members` of the
    /// accounts, one has `hot_members`.
    pub(crate) async fn ready_chat(
        &self,
        users: usize,
        rooms: usize,
        members: usize,
        hot_members: usize,
    ) -> anyhow::Result<(ChatRows, ChatRows)> {
        let counts = [users, rooms, members, hot_members];
        Ok((ready_chat(&self.pool, counts).await?, ready_chat(&self.yardstick, counts).await?))
    }

    /// A history of so many messages for a room whose ten members follow `user` and have read all but
    /// the last twenty.
    pub(crate) async fn ready_messages(
        &self,
        room: i64,
        user: i64,
        messages: usize,
    ) -> anyhow::Result<()> {
        ready_messages(&self.pool, room, user, messages).await
    }

    /// Redis loses everything.
    pub(crate) async fn forget_redis(&self) -> anyhow::Result<()> {
        redis::cmd("FLUSHALL").query_async::<()>(&mut self.redis.clone()).await?;
        Ok(())
    }

    /// The Redis list of ids.
    pub(crate) fn queue_key() -> String {
        QueueServer::new(&shared::config::Redis::default()).key(Queue::Otp)
    }

    /// Messages that are not sent.
    pub(crate) async fn unsent(&self) -> anyhow::Result<i64> {
        let unsent = "SELECT count(*) FROM sms_messages WHERE status <> 'sent'";
        Ok(sqlx::query_scalar(unsent).fetch_one(&self.pool).await?)
    }

    /// Waits until every row may be pushed again: an accept marks its row as pushed for two
    /// seconds, and no sweep looks at it before.
    pub(crate) async fn wait_until_pushes_are_over(&self) -> anyhow::Result<()> {
        let pushed = "SELECT EXISTS (SELECT FROM sms_messages WHERE pushed_until > now())";
        while sqlx::query_scalar(pushed).fetch_one(&self.pool).await? {
            // Between two looks.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Writes so many texts to many that are due, to numbers that are on no board.
    pub(crate) async fn queue_bulk(&self, texts: usize) -> anyhow::Result<()> {
        let sql = "INSERT INTO sms_messages
                (kind, phone, local_id, body, created_at, expires_at, next_attempt_at)
            SELECT 'bulk', '+98920' || lpad(i::text, 7, '0'), i, 'sale', now(),
                now() + interval '1 day', now()
            FROM generate_series(1, $1::bigint) AS i";
        sqlx::query(sql).bind(i64::try_from(texts)?).execute(&self.pool).await?;
        // As autovacuum would have done it before so many came together.
        sqlx::query("ANALYZE sms_messages").execute(&self.pool).await?;
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    /// Gives every number of a board an account and a code, brought by a text, to log in with; in
    /// both databases, in that of the yardstick to the numbers of a first board.
    pub(crate) async fn ready_logins(&self, board: &Board) -> anyhow::Result<()> {
        let rows = i64::try_from(board.capacity())?;
        for (pool, first) in [(&self.pool, board.first()), (&self.yardstick, 0)] {
            ready_logins(pool, i64::try_from(first)?, rows).await?;
        }
        Ok(())
    }

    /// Gives the yardstick accounts with wallets, and payments to verify.
    pub(crate) async fn ready_payments(
        &self,
        users: usize,
        payments: usize,
    ) -> anyhow::Result<FirstRows> {
        ready_payments(&self.yardstick, i64::try_from(users)?, i64::try_from(payments)?).await
    }

    /// Names of the pages nobody has come back from.
    pub(crate) async fn open_pages(&self) -> anyhow::Result<Vec<String>> {
        let open =
            "SELECT s.authority FROM payment_sessions s JOIN payments p ON p.id = s.payment_id
            WHERE p.state = 'redirected' AND s.state = 'open' ORDER BY s.id";
        Ok(sqlx::query_scalar(open).fetch_all(&self.pool).await?)
    }

    /// Texts to many that a provider has taken.
    pub(crate) async fn sent_bulk(&self) -> anyhow::Result<i64> {
        let sent = "SELECT count(*) FROM sms_messages WHERE kind = 'bulk' AND status = 'sent'";
        Ok(sqlx::query_scalar(sent).fetch_one(&self.pool).await?)
    }

    /// How often the write-ahead log was flushed so far, where this version of PostgreSQL says.
    pub(crate) async fn wal_flushes(&self) -> Option<i64> {
        let flushes = sqlx::query_scalar("SELECT wal_sync FROM pg_stat_wal");
        flushes.fetch_one(&self.pool).await.ok()
    }

    async fn process(
        &self,
        name: &str,
        arguments: &[&str],
        listens: SocketAddr,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Process> {
        let mut environment = self.environment.clone();
        for (name, value) in settings {
            environment.push((format!("PEYK__{name}"), value.clone()));
        }
        let log = self.out.join(format!("{name}.log"));
        let mut process = Process::start(&self.binaries.join(name), arguments, &environment, &log)?;
        let deadline = Instant::now() + READY;
        while !is_ready(listens).await {
            let said = || format!("{name} does not get ready; see {}", log.display());
            process.check_alive().with_context(said)?;
            anyhow::ensure!(Instant::now() < deadline, said());
            // Between two looks.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(process)
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut connection = HttpConnection::open(address).await?;
        let (status, body) = connection.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        // The api is ready without Redis; the load is not.
        let health: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        std::io::Result::Ok(status == 200 && health["redis"] != false)
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await.is_ok_and(|it| it.unwrap_or(false))
}

/// A new, migrated database and a pool made as Peyk makes it.
async fn database(admin_url: &str, name: &str) -> anyhow::Result<(String, PgPool)> {
    let mut admin = PgConnection::connect(admin_url).await?;
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await?;
    }
    let (server, _) = admin_url.rsplit_once('/').context("DATABASE_URL has no database")?;
    let url = format!("{server}/{name}");
    let config = Database { url: url.clone().into(), max_connections: 2, ..Database::default() };
    shared::db::migrate(&config).await?;
    Ok((url, shared::db::connect(&config)?))
}

/// Accounts and codes of the numbers of a board that begins at `first`; the nonce is
/// [`crate::http::NONCE`].
async fn ready_logins(pool: &PgPool, first: i64, rows: i64) -> anyhow::Result<()> {
    forget_users(pool).await?;
    for table in [
        "INSERT INTO users (username, phone, created_at)
         SELECT phone, phone, now() FROM n",
        "INSERT INTO sms_messages
             (kind, phone, local_id, status, created_at, expires_at, settled_at)
         SELECT 'otp', phone, i + 1, 'sent', now(), now() + interval '240 seconds', now()
         FROM n",
        "INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at,
             last_sent_at, last_local_id, day, sends_today)
         SELECT phone, 'login', 'sixteen bytes ok', 'k1', 8, now(), now() + interval '240 seconds',
             now(), i + 1, (now() AT TIME ZONE 'UTC')::date, 1
         FROM n",
        "INSERT INTO otp_requests
             (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
         SELECT md5(phone), phone, 'login', 1, i + 1, '127.0.0.1', now(),
             now() + interval '10 minutes'
         FROM n",
    ] {
        let numbers = "WITH n AS MATERIALIZED (
            SELECT i, '+9891' || lpad((($1 + i) * 61803399 % 100000000)::text, 8, '0') AS phone
            FROM generate_series(0, $2::bigint - 1) AS i) ";
        sqlx::query(AssertSqlSafe(format!("{numbers}{table}")))
            .bind(first)
            .bind(rows)
            .execute(pool)
            .await?;
    }
    // As autovacuum would have done it before so many came together.
    sqlx::query("ANALYZE users, otp_codes, otp_requests, sms_messages").execute(pool).await?;
    sqlx::query("CHECKPOINT").execute(pool).await?;
    Ok(())
}

/// The ids before the first account and the first payment.
pub(crate) struct FirstRows {
    pub(crate) user: i64,
    pub(crate) payment: i64,
}

async fn ready_payments(pool: &PgPool, users: i64, payments: i64) -> anyhow::Result<FirstRows> {
    let sales = "INSERT INTO ledger_accounts (name) VALUES ('sales') ON CONFLICT DO NOTHING";
    sqlx::query(sales).execute(pool).await?;
    let user = "SELECT coalesce(max(id), 0) FROM users";
    let user = sqlx::query_scalar(user).fetch_one(pool).await?;
    let made = "INSERT INTO users (username, created_at)
        SELECT 'payer-' || n, now() FROM generate_series(1, $1) AS n ORDER BY n";
    sqlx::query(made).bind(users).execute(pool).await?;
    let wallets = "WITH accounts AS (
            INSERT INTO ledger_accounts (name, user_id)
            SELECT 'wallet:' || id, id FROM users WHERE id > $1 RETURNING id, user_id)
        INSERT INTO wallets (account_id, user_id, updated_at) SELECT id, user_id, now() FROM accounts";
    sqlx::query(wallets).bind(user).execute(pool).await?;
    let payment = "SELECT coalesce(max(id), 0) FROM payments";
    let payment = sqlx::query_scalar(payment).fetch_one(pool).await?;
    let made = "WITH made AS (
            INSERT INTO payments (handle, user_id, amount, currency, amount_rials, purpose, gateway,
                callback_url, state, created_at, updated_at, watch_until)
            SELECT md5(n::text), $1 + 1 + n % $2, 10000, 'IRR', 10000, 'charge_wallet', 'zarinpal',
                'http://127.0.0.1/', 'redirected', now(), now(), now() + interval '1 hour'
            FROM generate_series(1, $3) AS n RETURNING id)
        INSERT INTO payment_sessions (payment_id, gateway, state, authority, created_at)
        SELECT id, 'zarinpal', 'open', 'S' || lpad(id::text, 35, '0'), now() FROM made";
    sqlx::query(made).bind(user).bind(users).bind(payments).execute(pool).await?;
    sqlx::query("ANALYZE users, payments, payment_sessions, wallets").execute(pool).await?;
    Ok(FirstRows { user, payment })
}

/// The ids of the first account, of the first room, which the others follow, and of the one for all.
pub(crate) struct ChatRows {
    pub(crate) user: i64,
    pub(crate) room: i64,
    pub(crate) hot_room: i64,
}

async fn ready_chat(pool: &PgPool, counts: [usize; 4]) -> anyhow::Result<ChatRows> {
    forget_users(pool).await?;
    let [users, rooms, members, hot_members] =
        counts.map(|count| i64::try_from(count).unwrap_or(0));
    let made = "INSERT INTO users (username, created_at)
        SELECT 'writer-' || n, now() FROM generate_series(1, $1) AS n ORDER BY n";
    sqlx::query(made).bind(users).execute(pool).await?;
    let user: i64 = sqlx::query_scalar("SELECT min(id) FROM users").fetch_one(pool).await?;
    let made = "INSERT INTO rooms (name, head_at, created_at)
        SELECT CASE n WHEN 0 THEN 'hot' ELSE 'bench' END, now(), now()
        FROM generate_series(0, $1) AS n ORDER BY n";
    sqlx::query(made).bind(rooms).execute(pool).await?;
    let hot_room: i64 =
        sqlx::query_scalar("SELECT id FROM rooms WHERE name = 'hot'").fetch_one(pool).await?;
    let room = hot_room + 1;
    let seats = "INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
        SELECT r.id, $1 + (greatest(r.id - $2, 0) + k) % $3, CASE k WHEN 0 THEN 'owner' ELSE 'member' END, 2, now()
        FROM rooms r, generate_series(0, CASE r.name WHEN 'hot' THEN $5 ELSE $4 END - 1) AS k";
    sqlx::query(seats)
        .bind(user)
        .bind(room)
        .bind(users)
        .bind(members)
        .bind(hot_members)
        .execute(pool)
        .await?;
    sqlx::query("ANALYZE users, rooms, room_members").execute(pool).await?;
    sqlx::query("CHECKPOINT").execute(pool).await?;
    Ok(ChatRows { user, room, hot_room })
}

async fn ready_messages(
    pool: &PgPool,
    room: i64,
    user: i64,
    messages: usize,
) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let history = "INSERT INTO chat_messages
            (room_id, seq, sender_id, client_id, fingerprint, type, text, folded, created_at)
        SELECT $1, n, $2 + n % 10, n::text, n, 'text', 'سلام، این پیام ' || n || ' است.',
            'سلام این پیام ' || n || ' است', now() - ($3 - n) * interval '1 second'
        FROM generate_series(1, $3) AS n";
    let messages = i64::try_from(messages)?;
    sqlx::query(history).bind(room).bind(user).bind(messages).execute(&mut *tx).await?;
    for sql in [
        "UPDATE rooms SET head = $2, head_at = now() WHERE id = $1",
        "UPDATE room_members SET read_seq = $2 - 20 WHERE room_id = $1",
    ] {
        sqlx::query(sql).bind(room).bind(messages).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    sqlx::query("VACUUM ANALYZE chat_messages").execute(pool).await?;
    Ok(())
}

/// Everybody, with what they have: the ledger defends itself against that by triggers, which are off
/// for replicas.
async fn forget_users(pool: &PgPool) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    for sql in ["SET LOCAL session_replication_role = replica", "TRUNCATE users CASCADE"] {
        sqlx::query(sql).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Accounts with so much each; the id of the first, whom the others follow.
async fn ready_wallets(pool: &PgPool, wallets: usize, rials: i64) -> anyhow::Result<i64> {
    forget_users(pool).await?;
    let rows = i64::try_from(wallets)?;
    for sql in [
        "INSERT INTO users (username, created_at)
         SELECT 'wallet-' || n, now() FROM generate_series(1, $1) AS n ORDER BY n",
        "INSERT INTO ledger_accounts (name, user_id)
         SELECT 'wallet:' || id, id FROM users WHERE $1 > 0 ORDER BY id",
        "INSERT INTO ledger_accounts (name) SELECT unnest('{sales,adjustments}'::text[]) WHERE $1 > 0
         ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(sql).bind(rows).execute(pool).await?;
    }
    let filled = "WITH opening AS (
             INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
             SELECT 'bench:' || md5(random()::text || id), 'adjustment', sha256(id::text::bytea), now()
             FROM ledger_accounts WHERE user_id IS NOT NULL RETURNING id, fingerprint),
         opened AS (
             INSERT INTO ledger_entries
                 (transaction_id, account_id, amount_rials, balance_rials, created_at)
             SELECT o.id, leg.account_id, leg.rials, leg.balance, now()
             FROM opening o JOIN ledger_accounts a ON o.fingerprint = sha256(a.id::text::bytea),
             LATERAL (VALUES (a.id, $1::bigint, $1::bigint),
                 ((SELECT id FROM ledger_accounts WHERE name = 'adjustments'), -$1, NULL::bigint))
                 AS leg (account_id, rials, balance))
         INSERT INTO wallets (account_id, user_id, balance_rials, updated_at)
         SELECT id, user_id, $1, now() FROM ledger_accounts WHERE user_id IS NOT NULL";
    sqlx::query(filled).bind(rials).execute(pool).await?;
    sqlx::query("ANALYZE users, ledger_accounts, wallets").execute(pool).await?;
    sqlx::query("CHECKPOINT").execute(pool).await?;
    Ok(sqlx::query_scalar("SELECT min(id) FROM users").fetch_one(pool).await?)
}

/// A history of so many entries more for one wallet; the id of one in the middle.
async fn ready_entries(pool: &PgPool, user: i64, entries: usize) -> anyhow::Result<i64> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let history = "WITH spent AS (
             INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
             SELECT 'bench:' || $1 || ':' || n, 'adjustment', sha256('x'), now()
             FROM generate_series(1, $2) AS n RETURNING id)
         INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, balance_rials, created_at)
         SELECT s.id, leg.account_id, leg.rials, leg.balance, now()
         FROM spent s,
         LATERAL (VALUES
             ((SELECT account_id FROM wallets WHERE user_id = $1), 1::bigint, 1::bigint),
             ((SELECT id FROM ledger_accounts WHERE name = 'adjustments'), -1, NULL))
             AS leg (account_id, rials, balance)";
    sqlx::query(history).bind(user).bind(i64::try_from(entries)?).execute(&mut *tx).await?;
    tx.commit().await?;
    sqlx::query("ANALYZE ledger_entries, ledger_transactions").execute(pool).await?;
    let middle = "SELECT max(e.id) - $2 FROM ledger_entries e JOIN wallets w USING (account_id)
        WHERE w.user_id = $1";
    let half = i64::try_from(entries)?;
    Ok(sqlx::query_scalar(middle).bind(user).bind(half).fetch_one(pool).await?)
}

async fn postmaster(pool: &PgPool) -> anyhow::Result<u32> {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await?;
    let parent = processes::parent(u32::try_from(backend)?);
    parent.context("PostgreSQL does not run on this machine")
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run script/bench"))
}

fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Empties the tables of codes and texts. A worker that runs meanwhile locks them in another order:
/// the one who is chosen to give way tries again.
async fn empty(pool: &PgPool) -> Result<(), sqlx::Error> {
    let tables = "TRUNCATE otp_codes, otp_requests, sms_attempts, sms_messages";
    loop {
        match sqlx::query(tables).execute(pool).await {
            Err(error) if is_deadlock(&error) => progress("the tables are in use, once more"),
            result => return result.map(drop),
        }
    }
}

fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("40P01")
}
