//! What the database says of a message, read without Peyk's own code.

use std::time::Duration;

use super::{TestDatabase, wait_for, wait_within};

/// A row of `sms_messages`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MessageRow {
    /// Its id.
    pub id: i64,
    /// Its state.
    pub status: String,
    /// Why it ended or waits.
    pub reason: Option<String>,
    /// Number of the latest attempt.
    pub attempt: i32,
    /// Who accepted it.
    pub provider: Option<String>,
    /// The provider's id of it.
    pub provider_message_id: Option<String>,
    /// Seconds from the database's now until the next attempt is due.
    pub due_in: Option<f64>,
    /// Whether nobody will work on it any more.
    pub settled: bool,
}

/// A message with all that was tried about it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Story {
    /// The recipient, `09…`.
    pub mobile: String,
    /// Its state.
    pub status: String,
    /// Why it ended.
    pub reason: Option<String>,
    /// Its attempts, oldest first, each as `action outcome`; one without an end is `unknown`.
    pub attempts: Vec<String>,
}

impl Story {
    /// Calls that may have carried the text although nobody knows.
    pub fn unanswered_sends(&self) -> usize {
        self.attempts.iter().filter(|attempt| *attempt == "send unknown").count()
    }
}

const STORIES: &str = "SELECT '0' || substr(phone, 4) AS mobile, status, reason,
        array(SELECT concat_ws(' ', action, coalesce(outcome, 'unknown')) FROM sms_attempts
              WHERE message_id = m.id ORDER BY attempt) AS attempts
    FROM sms_messages m ORDER BY id";

const MESSAGES: &str = "SELECT id, status, reason, attempt, provider, provider_message_id,
        extract(epoch FROM next_attempt_at - now())::float8 AS due_in,
        settled_at IS NOT NULL AS settled
    FROM sms_messages WHERE phone = $1 ORDER BY id DESC LIMIT 1";

const HISTORY: &str = "SELECT concat_ws(' ', provider, action, coalesce(outcome, '-'), code)
    FROM sms_attempts WHERE message_id = $1 ORDER BY attempt";

impl TestDatabase {
    /// The newest message to a number (`09…`), if there is one.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn message_to(&self, mobile: &str) -> Option<MessageRow> {
        let row = sqlx::query_as(MESSAGES).bind(e164(mobile)).fetch_optional(&self.pool).await;
        row.expect("the database answers")
    }

    /// Waits until nobody will work on the newest message to a number any more.
    pub async fn settled_message_to(&self, mobile: &str) -> MessageRow {
        wait_for("the end of a message", || async {
            self.message_to(mobile).await.filter(|row| row.settled)
        })
        .await
    }

    /// The attempts of a message, oldest first, each as `provider action outcome code`; the
    /// outcome is `-` where none was written.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn history(&self, message: i64) -> Vec<String> {
        let rows = sqlx::query_scalar(HISTORY).bind(message).fetch_all(&self.pool).await;
        rows.expect("the database answers")
    }

    /// Every message there is, in the order they were accepted.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn stories(&self) -> Vec<Story> {
        let rows = sqlx::query_as(STORIES).fetch_all(&self.pool).await;
        rows.expect("the database answers")
    }

    /// Waits until nobody will work on any message any more.
    pub async fn all_settled(&self, limit: Duration) {
        let open = "SELECT count(*) FROM sms_messages WHERE settled_at IS NULL";
        wait_within(limit, "the end of all messages", || async {
            (self.count(open).await == 0).then_some(())
        })
        .await;
    }

    /// The number a query without parameters gives.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    /// Runs statements without parameters.
    ///
    /// # Panics
    /// When one fails.
    pub async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.expect(sql);
    }
}

/// `09…` as it is stored.
fn e164(mobile: &str) -> String {
    format!("+98{}", mobile.trim_start_matches('0'))
}
