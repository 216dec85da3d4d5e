//! One database per test in the PostgreSQL that `script/test` started.

use shared::{config::Database, db};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};

/// A migrated database, dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    admin_url: String,
    /// A pool for the test's own looks and meddling.
    pub pool: PgPool,
}

impl TestDatabase {
    /// Makes and migrates one.
    ///
    /// # Panics
    /// Without `PEYK_TEST_DATABASE_URL`, or when PostgreSQL refuses.
    pub async fn create() -> Self {
        Self::create_on(admin_url()).await
    }

    /// Makes and migrates one on another server, by the URL of its database `postgres`.
    ///
    /// # Panics
    /// When PostgreSQL refuses.
    pub async fn create_on(admin_url: String) -> Self {
        let name = shared::ids::process_name("peyk", &mut rand::rng()).replace('-', "_");
        let mut admin = PgConnection::connect(&admin_url).await.expect("PostgreSQL answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await
            .expect("the test user may create databases");
        let (server, _) = admin_url.rsplit_once('/').expect("a URL has a path");
        let url = format!("{server}/{name}");
        let config = Database { url: url.clone().into(), ..Database::default() };
        db::migrate(&config).await.expect("the migrations apply");
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await;
        Self { name, url, admin_url, pool: pool.expect("the new database answers") }
    }

    /// Its connection URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port` of its server.
    ///
    /// # Panics
    /// When the URL has no host.
    pub fn address(&self) -> String {
        let (_, rest) = self.url.split_once("://").expect("a URL has a scheme");
        let authority = rest.split('/').next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default().to_owned()
    }
}

fn admin_url() -> String {
    std::env::var("PEYK_TEST_DATABASE_URL").expect("run the tests with script/test")
}

impl Drop for TestDatabase {
    /// On a thread of its own, because dropping cannot wait.
    fn drop(&mut self) {
        let (name, admin_url) = (self.name.clone(), self.admin_url.clone());
        let drop_it = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(mut admin) = PgConnection::connect(&admin_url).await else { return };
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                // What cannot be dropped goes with the whole throw-away server.
                let _ = sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await;
            });
        });
        let _ = drop_it.join();
    }
}
