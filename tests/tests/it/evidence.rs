//! Everything a running Peyk left behind outside of answers and texts, and a search in it.

use std::sync::{Arc, Mutex};

use peyk_tests::harness::{Peyk, wait_for};
use sqlx::AssertSqlSafe;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Something that must not be found, with a name that may be shown.
pub(crate) type Needle = (&'static str, String);

/// One place with everything that is in it.
pub(crate) type Place = (&'static str, String);

/// Which needles are in which places, with the line they are in.
pub(crate) fn find(places: &[Place], needles: &[Needle]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, text) in places {
        for (what, needle) in needles {
            assert!(needle.len() >= 6, "{what} is too short to be searched for");
            if let Some(line) = text.lines().find(|line| line.contains(needle)) {
                let line: String = line.chars().take(400).collect();
                found.push(format!("{what} in {place}: {line}"));
            }
        }
    }
    found
}

/// Every command Redis is given, from now on.
pub(crate) struct Monitor(Arc<Mutex<String>>);

impl Monitor {
    /// Listens once Redis has agreed.
    pub(crate) async fn start(peyk: &Peyk) -> Self {
        let url = peyk.redis.url();
        let address = url.strip_prefix("redis://").expect("the harness writes it so");
        let mut stream = TcpStream::connect(address).await.expect("Redis answers");
        stream.write_all(b"MONITOR\r\n").await.expect("Redis listens");
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("+OK"));
        let seen = Arc::new(Mutex::new(String::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut record = record.lock().expect("no holder of this lock panics");
                record.push_str(&line);
                record.push('\n');
            }
        });
        Self(seen)
    }

    /// All commands up to this call.
    pub(crate) async fn commands(&self, peyk: &Peyk) -> String {
        let end = format!("end-{:032x}", rand::random::<u128>());
        let mut redis = peyk.redis.connection().await;
        let _: String = redis::cmd("ECHO").arg(&end).query_async(&mut redis).await.unwrap();
        wait_for("the end of the record", || async {
            let seen = self.0.lock().expect("no holder of this lock panics").clone();
            seen.contains(&end).then_some(seen)
        })
        .await
    }
}

/// Every key of Redis with its value.
pub(crate) async fn redis_contents(peyk: &Peyk) -> String {
    let mut redis = peyk.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    let mut contents = String::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        let (command, arguments): (_, &[&str]) = match kind.as_str() {
            "string" => ("GET", &[]),
            "list" => ("LRANGE", &["0", "-1"]),
            "set" => ("SMEMBERS", &[]),
            "zset" => ("ZRANGE", &["0", "-1"]),
            "hash" => ("HGETALL", &[]),
            // It went away since.
            "none" => continue,
            other => panic!("{key} is a {other}: read it here too"),
        };
        let mut read = redis::cmd(command);
        let value: redis::Value =
            read.arg(&key).arg(arguments).query_async(&mut redis).await.unwrap();
        contents.extend([key.as_str(), " ", &shown(&value), "\n"]);
    }
    contents
}

fn shown(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

/// Every row of every table as text.
pub(crate) async fn database_contents(peyk: &Peyk) -> String {
    let pool = &peyk.database.pool;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(pool)
            .await
            .unwrap();
    let mut contents = String::new();
    for table in tables {
        let rows = AssertSqlSafe(format!("SELECT row_to_json(t)::text FROM \"{table}\" t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(pool).await.unwrap();
        contents.extend(rows.into_iter().map(|row| format!("{table} {row}\n")));
    }
    contents
}

/// The text of a page.
pub(crate) async fn page(peyk: &Peyk, url: &str) -> String {
    let answer = peyk.client().get(url).send().await.expect("the page is there");
    assert_eq!(answer.status(), 200, "{url}");
    answer.text().await.expect("the page ends")
}
