//! Stops a worker between two of its statements, without a hook in it: whoever wants to write to
//! a table waits while the test holds its lock.

use sqlx::{PgPool, Postgres, Transaction};

use super::{TestDatabase, wait_for};

/// Holds up every write to one table; reads pass.
#[derive(Debug)]
pub struct TableLock {
    held: Transaction<'static, Postgres>,
    pool: PgPool,
    table: &'static str,
}

impl TestDatabase {
    /// Locks `sms_attempts`: claims pass, the starts and ends of calls wait.
    pub async fn hold_up_attempts(&self) -> TableLock {
        self.hold_up("sms_attempts", "LOCK TABLE sms_attempts IN EXCLUSIVE MODE").await
    }

    /// Locks `otp_codes`: reads pass, sends and purges wait.
    pub async fn hold_up_codes(&self) -> TableLock {
        self.hold_up("otp_codes", "LOCK TABLE otp_codes IN EXCLUSIVE MODE").await
    }

    /// Locks `idempotency_keys`, for reads too: whoever asks about a key waits.
    pub async fn hold_up_keys(&self) -> TableLock {
        let lock = "LOCK TABLE idempotency_keys IN ACCESS EXCLUSIVE MODE";
        self.hold_up("idempotency_keys", lock).await
    }

    /// Locks `cron_runs`: a leader knows what is due and waits before it fires.
    pub async fn hold_up_firings(&self) -> TableLock {
        self.hold_up("cron_runs", "LOCK TABLE cron_runs IN EXCLUSIVE MODE").await
    }

    /// Locks `webhook_events`: whoever has something to tell waits before it commits.
    pub async fn hold_up_webhooks(&self) -> TableLock {
        let lock = "LOCK TABLE webhook_events IN EXCLUSIVE MODE";
        self.hold_up("webhook_events", lock).await
    }

    /// Locks `payment_returns`: asking for money back, claiming and settling it wait.
    pub async fn hold_up_returns(&self) -> TableLock {
        let lock = "LOCK TABLE payment_returns IN EXCLUSIVE MODE";
        self.hold_up("payment_returns", lock).await
    }

    /// Locks `payment_attempts`: who has an answer of a gateway's waits before it writes it down.
    pub async fn hold_up_payment_calls(&self) -> TableLock {
        let lock = "LOCK TABLE payment_attempts IN EXCLUSIVE MODE";
        self.hold_up("payment_attempts", lock).await
    }

    /// Locks `payments`: who settles one waits.
    pub async fn hold_up_payments(&self) -> TableLock {
        self.hold_up("payments", "LOCK TABLE payments IN EXCLUSIVE MODE").await
    }

    /// Locks `ledger_entries`: who moves money waits before it commits.
    pub async fn hold_up_ledger(&self) -> TableLock {
        self.hold_up("ledger_entries", "LOCK TABLE ledger_entries IN EXCLUSIVE MODE").await
    }

    /// Locks `gate`, a table of the test that a trigger of its own makes writers wait for.
    pub async fn hold_up_gate(&self) -> TableLock {
        self.hold_up("gate", "LOCK TABLE gate IN ROW EXCLUSIVE MODE").await
    }

    async fn hold_up(&self, table: &'static str, lock: &'static str) -> TableLock {
        let mut held = self.pool.begin().await.expect("the database answers");
        sqlx::query(lock).execute(&mut *held).await.expect("the lock is free soon");
        TableLock { held, pool: self.pool.clone(), table }
    }
}

impl TableLock {
    /// Waits until `count` connections wait for the lock.
    pub async fn wait_for_waiters(&self, count: usize) {
        let what = format!("{count} statements to wait for {}", self.table);
        wait_for(&what, || async { (self.waiters().await.len() >= count).then_some(()) }).await;
    }

    /// Ends the connections that wait. A killed process's statement would otherwise still be
    /// carried out when the lock is released.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn end_waiters(&self) {
        for backend in self.waiters().await {
            let ended =
                sqlx::query("SELECT pg_terminate_backend($1)").bind(backend).execute(&self.pool);
            ended.await.expect("the test user may end connections");
        }
        wait_for("the waiting connections to end", || async {
            self.waiters().await.is_empty().then_some(())
        })
        .await;
    }

    /// Lets everybody go on.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn release(self) {
        self.held.rollback().await.expect("a lock can be given back");
    }

    async fn waiters(&self) -> Vec<i32> {
        let sql = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = $1::regclass
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let pids = sqlx::query_scalar(sql).bind(self.table).fetch_all(&self.pool).await;
        pids.expect("the database answers")
    }
}
