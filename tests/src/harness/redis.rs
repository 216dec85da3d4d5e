//! A Redis process of the test's own, to be killed, frozen or emptied at will.

use std::process::{Child, Command, Stdio};

use super::{free_port, wait_for};

/// A private `redis-server` without persistence; killed with the value.
#[derive(Debug)]
pub struct TestRedis {
    port: u16,
    child: Child,
}

impl TestRedis {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        loop {
            let port = free_port();
            let mut redis = Self { port, child: spawn(port) };
            if redis.comes_up().await {
                return redis;
            }
        }
    }

    /// Its connection URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection for the test's own looks.
    ///
    /// # Panics
    /// When Redis is away.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        // The default of half a second is too short for a busy machine.
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(super::PATIENCE))
            .set_response_timeout(Some(super::PATIENCE));
        let client = redis::Client::open(self.url()).expect("the URL is good");
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        connection.expect("Redis answers")
    }

    /// SIGKILL; everything in it is lost.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("a killed child ends");
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port);
        assert!(self.comes_up().await, "the port is still free");
    }

    /// FLUSHALL: it goes on and has forgotten everything.
    ///
    /// # Panics
    /// When Redis is away.
    pub async fn flush(&self) {
        let mut connection = self.connection().await;
        let flushed = redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await;
        flushed.expect("Redis empties itself");
    }

    /// Sends it a signal, e.g. `STOP` to freeze it.
    pub async fn signal(&self, name: &str) {
        super::process::signal(&self.child.id().to_string(), name).await;
    }

    /// The process id, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it answers at last; it does not when somebody else took the port meanwhile.
    async fn comes_up(&mut self) -> bool {
        wait_for("redis-server", || {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            let (url, pid) = (self.url(), self.child.id());
            async move { if ended { Some(false) } else { answers(&url, pid).await.then_some(true) } }
        })
        .await
    }
}

/// Whether the server there is the one with this process id.
async fn answers(url: &str, pid: u32) -> bool {
    let Ok(client) = redis::Client::open(url) else { return false };
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
    let info = redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await;
    info.is_ok_and(|info| info.lines().any(|line| line == format!("process_id:{pid}")))
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16) -> Child {
    let server = std::env::var("PEYK_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    Command::new(server)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--maxmemory-policy", "noeviction"])
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts; run the tests with script/test")
}
