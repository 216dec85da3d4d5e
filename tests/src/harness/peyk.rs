//! A whole Peyk: one database, one Redis, any number of api and worker processes.

use std::path::PathBuf;

use serde_json::{Value, json};
use shared::config::{Mode, init_toml};

use super::{Gate, Process, TestDatabase, TestRedis, wait_for};

/// What a test wants to be different.
#[derive(Debug, Default)]
pub struct PeykBuilder {
    settings: Vec<(String, String)>,
    apis: usize,
    workers: usize,
    gated: bool,
    database_server: Option<String>,
}

/// A running Peyk.
#[derive(Debug)]
pub struct Peyk {
    /// Its database.
    pub database: TestDatabase,
    /// Its Redis.
    pub redis: TestRedis,
    /// Its api processes.
    pub apis: Vec<Process>,
    /// Its worker processes.
    pub workers: Vec<Process>,
    /// Base URLs, one per api process.
    pub urls: Vec<String>,
    /// The way of all processes to the database, if it was built with one; see
    /// [`PeykBuilder::gated`].
    pub gate: Option<Gate>,
    environment: Vec<(String, String)>,
    config: PathBuf,
    files: PathBuf,
    client: reqwest::Client,
}

/// An answer of the api, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body; `Null` when it is no JSON.
    pub json: Value,
}

impl Peyk {
    /// One api and one worker in sandbox mode unless said otherwise.
    pub fn builder() -> PeykBuilder {
        PeykBuilder { apis: 1, workers: 1, ..PeykBuilder::default() }
    }

    /// The default: one api and one worker in sandbox mode.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The first api's address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.urls[0])
    }

    /// Where files of chat are kept, unless a setting says otherwise.
    pub fn files(&self) -> &std::path::Path {
        &self.files
    }

    /// The HTTP client all requests go through.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request that was built with [`Peyk::client`].
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("the api answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("the answer ends");
        Answer { status, headers, json: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// `POST` of a JSON body to the first api.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body)).await
    }

    /// `GET` from the first api.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    /// `POST /api/otp/send/`.
    pub async fn send_otp(&self, mobile: &str) -> Answer {
        self.post("/api/otp/send/", &json!({ "mobile_number": mobile })).await
    }

    /// `POST /api/otp/send/` with `Prefer: respond-async`.
    pub async fn send_otp_async(&self, mobile: &str) -> Answer {
        let request = self.client.post(self.url("/api/otp/send/"));
        let request = request.header("Prefer", "respond-async");
        self.send(request.json(&json!({ "mobile_number": mobile }))).await
    }

    /// `POST /api/authenticate/`.
    pub async fn authenticate(&self, mobile: &str, code: &str, request_id: Option<&str>) -> Answer {
        let mut body = json!({ "mobile_number": mobile, "code": code });
        if let Some(request_id) = request_id {
            body["request_id"] = request_id.into();
        }
        self.post("/api/authenticate/", &body).await
    }

    /// The newest code in the sandbox inbox of a number.
    ///
    /// # Panics
    /// When there is none.
    pub async fn sandbox_code(&self, mobile: &str) -> String {
        let path = format!("/sandbox/messages/?mobile_number={mobile}");
        let inbox = self.get(&path).await;
        inbox.json["results"][0]["code"].as_str().expect("the inbox has a code").to_owned()
    }

    /// Waits until the request's status is one of `wanted` and gives it.
    pub async fn wait_for_status(&self, request_id: &str, wanted: &[&str]) -> String {
        wait_for(&format!("status {wanted:?}"), || async {
            let answer = self.get(&format!("/api/otp/{request_id}/")).await;
            let status = answer.json["status"].as_str()?.to_owned();
            wanted.contains(&status.as_str()).then_some(status)
        })
        .await
    }

    /// Starts one more worker.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_worker(&mut self) -> &mut Process {
        let worker = Process::start("worker", &[], &self.environment);
        worker.log_line("worker started").await;
        self.workers.push(worker);
        self.workers.last_mut().expect("just pushed")
    }

    /// SIGKILLs the newest worker.
    ///
    /// # Panics
    /// When there is none.
    pub async fn kill_worker(&mut self) {
        self.workers.pop().expect("a worker runs").kill().await;
    }

    /// Starts a binary with this Peyk's configuration.
    pub fn spawn(&self, binary: &str, arguments: &[&str]) -> Process {
        Process::start(binary, arguments, &self.environment)
    }

    /// Runs a binary to its end with this Peyk's configuration.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn run(&self, binary: &str, arguments: &[&str]) -> (bool, String) {
        self.run_with(binary, arguments, &[]).await
    }

    /// The same with other settings on top, by their environment names without the leading
    /// `PEYK__`.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn run_with(
        &self,
        binary: &str,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> (bool, String) {
        let settings = settings.iter().map(|(k, v)| (format!("PEYK__{k}"), (*v).to_owned()));
        let environment: Vec<_> = self.environment.iter().cloned().chain(settings).collect();
        let mut process = Process::start(binary, arguments, &environment);
        let status = process.wait().await;
        (status.success(), process.output())
    }

    /// Runs a binary to its end with this as its standard input.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn run_fed(&self, input: &str, binary: &str, arguments: &[&str]) -> (bool, String) {
        let mut process = Process::start_fed(input, binary, arguments, &self.environment);
        let status = process.wait().await;
        (status.success(), process.output())
    }

    /// Runs a binary whose answer nobody reads: the other end of the pipe is closed before it
    /// starts. Gives what it wrote to standard error.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn run_unheard(&self, binary: &str, arguments: &[&str]) -> (bool, String) {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let mut process = Process::start_into(writer.into(), binary, arguments, &self.environment);
        let status = process.wait().await;
        (status.success(), process.output())
    }

    /// Everything every process of this Peyk that still is there wrote.
    pub fn output(&self) -> String {
        self.apis.iter().chain(&self.workers).map(Process::output).collect()
    }

    /// The operations address of the newest worker, e.g. `http://127.0.0.1:4711`.
    ///
    /// # Panics
    /// When none runs.
    pub async fn worker_url(&self) -> String {
        let worker = self.workers.last().expect("a worker runs");
        let line = worker.log_line("worker started").await;
        format!("http://{}", line["operations"].as_str().expect("it says where"))
    }

    /// What the newest worker's `/metrics` says of a series, e.g. `peyk_queue_depth{queue="otp"}`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn worker_metric(&self, series: &str) -> Option<String> {
        let url = format!("{}/metrics", self.worker_url().await);
        let response = self.client.get(url).send().await.expect("the worker answers");
        let text = response.text().await.expect("the answer ends");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(str::to_owned)
    }

    /// Starts one more api; its address is the last of [`Peyk::urls`].
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_api(&mut self) {
        self.start_api_with(&[]).await;
    }

    /// The same with other settings on top, by their environment names without the leading
    /// `PEYK__`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_api_with(&mut self, settings: &[(&str, &str)]) {
        let settings = settings.iter().map(|(k, v)| (format!("PEYK__{k}"), (*v).to_owned()));
        let environment: Vec<_> = self.environment.iter().cloned().chain(settings).collect();
        let api = Process::start("api", &["serve"], &environment);
        let line = api.log_line("api started").await;
        let listen = line["listen"].as_str().expect("it says where").to_owned();
        self.apis.push(api);
        self.urls.push(format!("http://{listen}"));
    }
}

impl Drop for Peyk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.config);
        let _ = std::fs::remove_dir_all(&self.files);
        if std::thread::panicking() {
            show(&self.output());
        }
    }
}

#[expect(clippy::print_stderr, reason = "what the processes said explains a failed test")]
fn show(output: &str) {
    eprintln!("--- output of the processes ---\n{output}");
}

impl PeykBuilder {
    /// A setting by its environment name without the leading `PEYK__`, e.g. `OTP__LENGTH`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((format!("PEYK__{name}"), value.into()));
        self
    }

    /// A variable of the processes' environment that is no setting.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Production mode with one Kavenegar account at this address, called `kavenegar`.
    #[must_use]
    pub fn kavenegar(self, url: &str) -> Self {
        self.set("MODE", "production")
            .set("SMS__PROVIDERS__KAVENEGAR__BASE_URL", url)
            .set("SMS__PROVIDERS__KAVENEGAR__API_KEY", crate::fake::API_KEY)
    }

    /// Production mode with one more Kavenegar account, of this name, at this address.
    #[must_use]
    pub fn provider(self, name: &str, url: &str) -> Self {
        let table = format!("SMS__PROVIDERS__{}", name.to_uppercase());
        self.set("MODE", "production")
            .set(&format!("{table}__KIND"), "kavenegar")
            .set(&format!("{table}__BASE_URL"), url)
            .set(&format!("{table}__API_KEY"), crate::fake::API_KEY)
    }

    /// Short times: so many milliseconds for a call to a provider, ten sweeps a second.
    #[must_use]
    pub fn hasty(self, budget_ms: u64) -> Self {
        self.set("SMS__BUDGET_MS", budget_ms.to_string())
            .set("SMS__CONNECT_TIMEOUT_MS", budget_ms.to_string())
            .set("WORKER__SWEEP_MS", "100")
    }

    /// Puts a [`Gate`] between the processes and the database.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    /// Another PostgreSQL than the one all tests share, by the URL of its database `postgres`.
    #[must_use]
    pub fn database_server(mut self, url: &str) -> Self {
        self.database_server = Some(url.to_owned());
        self
    }

    /// How many api processes.
    #[must_use]
    pub fn apis(mut self, count: usize) -> Self {
        self.apis = count;
        self
    }

    /// How many worker processes.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Starts everything and waits until it is ready.
    ///
    /// # Panics
    /// When something does not come up.
    pub async fn start(self) -> Peyk {
        shared::install_crypto();
        let database = async {
            match self.database_server {
                Some(url) => TestDatabase::create_on(url).await,
                None => TestDatabase::create().await,
            }
        };
        let (database, redis) = tokio::join!(database, TestRedis::start());
        let gate = if self.gated { Some(Gate::to(&database.address()).await) } else { None };
        let database_url = gate.as_ref().map_or_else(
            || database.url().to_owned(),
            |gate| database.url().replace(&database.address(), &gate.address().to_string()),
        );
        let name = shared::ids::process_name("peyk-test", &mut rand::rng());
        let config = std::env::temp_dir().join(format!("{name}.toml"));
        std::fs::write(&config, init_toml(Mode::Sandbox))
            .expect("the temporary folder is writable");
        let files = std::env::temp_dir().join(format!("{name}-files"));
        let mut environment = vec![
            ("PEYK__CHAT__FILES__STORAGE".to_owned(), files.display().to_string()),
            ("PEYK_CONFIG".to_owned(), config.display().to_string()),
            ("PEYK__DATABASE__URL".to_owned(), database_url),
            ("PEYK__REDIS__URL".to_owned(), redis.url()),
            ("PEYK__HTTP__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("PEYK__WORKER__OPERATIONS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("PEYK__LOG__FORMAT".to_owned(), "json".to_owned()),
            // Everything a test does comes from one address.
            ("PEYK__LIMITS__OTP_SEND_PER_IP".to_owned(), "100000/1s".to_owned()),
            ("PEYK__LIMITS__VERIFY_FAILURES_PER_IP".to_owned(), "100000/1s".to_owned()),
            ("PEYK__LIMITS__PASSWORD_FAILURES_PER_IP".to_owned(), "100000/1s".to_owned()),
            ("PEYK__LIMITS__PASSWORD_FAILURES_PER_NAME".to_owned(), "100000/1s".to_owned()),
            ("PEYK__LIMITS__REGISTRATIONS_PER_IP".to_owned(), "100000/1s".to_owned()),
        ];
        environment.extend(self.settings);
        let client = reqwest::Client::builder().timeout(super::PATIENCE).no_proxy();
        let mut peyk = Peyk {
            database,
            redis,
            apis: Vec::new(),
            workers: Vec::new(),
            urls: Vec::new(),
            gate,
            environment,
            config,
            files,
            client: client.build().expect("the client builds"),
        };
        for _ in 0..self.workers {
            peyk.start_worker().await;
        }
        for _ in 0..self.apis {
            peyk.start_api().await;
        }
        peyk.wait_until_ready().await;
        peyk
    }
}

impl Peyk {
    /// Redis connections are made in the background: wait for them, the reply channels included,
    /// or the first outcomes would be heard by nobody.
    ///
    /// # Panics
    /// When one does not get ready.
    pub async fn wait_until_ready(&self) {
        for url in &self.urls {
            wait_for("readiness", || async {
                let answer = self.send(self.client.get(format!("{url}/readyz"))).await;
                (answer.json["ready"] == true && answer.json["redis"] == true).then_some(())
            })
            .await;
        }
    }
}
