//! An old database with the tables the packages' own migrations make (`script/import-check --record`).

use std::fmt::Write;

use std::{path::PathBuf, str::FromStr};

use peyk_tests::harness::{Peyk, TestDatabase};
use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

const SQLITE: &str = include_str!("../../django/schema.sqlite.sql");
const POSTGRES: &str = include_str!("../../django/schema.postgres.sql");

/// `horse-battery-9`, in few rounds.
pub(crate) const HASH: &str =
    "pbkdf2_sha256$1000$salt$NA27Xaq68KuUal4DGsJAJxGW3zMuZ3OPYr1gCXzDq1c=";

/// An old database; gone with the value.
pub(crate) struct Old {
    /// For `--from`.
    pub(crate) url: String,
    /// The file, if it is `SQLite`.
    pub(crate) file: Option<PathBuf>,
    database: Option<TestDatabase>,
}

impl Old {
    /// One in `SQLite`.
    pub(crate) async fn sqlite() -> Self {
        let name = shared::ids::process_name("peyk-old", &mut rand::rng());
        let file = std::env::temp_dir().join(format!("{name}.sqlite3"));
        let url = format!("sqlite://{}", file.display());
        let old = Self { url, file: Some(file), database: None };
        old.execute(SQLITE).await;
        old
    }

    /// One in PostgreSQL. Peyk's tables are there too, which do not matter.
    pub(crate) async fn postgres() -> Self {
        let database = TestDatabase::create().await;
        let old = Self { url: database.url().to_owned(), file: None, database: Some(database) };
        old.execute(POSTGRES).await;
        old
    }

    /// Runs statements that both understand.
    pub(crate) async fn execute(&self, sql: &str) {
        if let Some(database) = &self.database {
            let sql = AssertSqlSafe(format!("SET TIME ZONE 'UTC'; {sql}"));
            sqlx::raw_sql(sql).execute(&database.pool).await.unwrap();
        } else {
            let options = SqliteConnectOptions::from_str(&self.url).unwrap();
            let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Delete);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// An account with a password (`HASH`; none if it is named `G…`) and, if there is one, a mobile.
    pub(crate) async fn account(&self, id: i64, username: &str, mobile: Option<(&str, i32)>) {
        self.execute(&account(id, username, mobile)).await;
    }

    /// So many accounts from 1 up, as first logins by code made them. Every tenth has a number that is
    /// none.
    pub(crate) async fn accounts(&self, count: i64) {
        let rows: Vec<String> = (1..=count)
            .map(|id| {
                let mobile = if id % 10 == 0 { format!("0{id}") } else { format!("0935{id:07}") };
                account(id, &format!("G0-{mobile}"), Some((&mobile, 0)))
            })
            .collect();
        self.execute(&rows.concat()).await;
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn account(id: i64, username: &str, mobile: Option<(&str, i32)>) -> String {
    let hash = if username.starts_with('G') { "" } else { HASH };
    let mut sql = format!(
        "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff,
             is_active, date_joined, first_name)
         VALUES ({id}, '{hash}', FALSE, '{username}', '', '', FALSE, TRUE,
             '2024-03-01 10:00:00.000{id:03}', '');"
    );
    if let Some((mobile, group)) = mobile {
        write!(
            sql,
            "INSERT INTO drfchelseru_user (id, user_id, mobile, \"group\")
             VALUES ({id}, {id}, '{mobile}', {group});"
        )
        .unwrap();
    }
    sql
}

/// A database of Peyk's that nobody uses yet.
pub(crate) async fn empty_peyk() -> Peyk {
    Peyk::builder().apis(0).workers(0).start().await
}

/// `api import-django` with these options: whether it succeeded, and what it said.
pub(crate) async fn import(peyk: &Peyk, old: &Old, options: &[&str]) -> (bool, String) {
    let arguments = [&["import-django", "--from", &old.url], options].concat();
    peyk.run("api", &arguments).await
}

/// Every account with all that is imported, by id.
pub(crate) async fn accounts(peyk: &Peyk) -> Vec<String> {
    let sql = r#"SELECT concat_ws('|', id, username, coalesce(phone, '-'), "group", is_active,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
            coalesce(password, '-'), email, first_name, last_name, coalesce(role, '-'))
        FROM users ORDER BY id"#;
    sqlx::query_scalar(sql).fetch_all(&peyk.database.pool).await.unwrap()
}
