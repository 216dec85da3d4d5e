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
        let port = free_port();
        let redis = Self { port, child: spawn(port) };
        redis.wait_until_ready().await;
        redis
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
        let client = redis::Client::open(self.url()).expect("the URL is good");
        client.get_multiplexed_async_connection().await.expect("Redis answers")
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
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port);
        self.wait_until_ready().await;
    }

    /// The process id, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn wait_until_ready(&self) {
        wait_for("redis-server", || async {
            let client = redis::Client::open(self.url()).ok()?;
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }
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
