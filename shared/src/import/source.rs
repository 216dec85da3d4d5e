//! The old database: `PostgreSQL`, `MySQL` or `SQLite`. Read in one snapshot, never written.
//!
//! Its tables are not ours, so these are the only queries that no compiler has checked. Every column
//! is read as text, whatever its type there: one way to read for three databases.

use std::{collections::HashSet, str::FromStr};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection as _, Decode, MySqlConnection, PgConnection,
    SqliteConnection, mysql::MySqlConnectOptions, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};

/// Numbers that are asked for at once.
const MOST_AMONG: usize = 10_000;

/// One snapshot of the old database.
#[derive(Debug)]
pub(super) struct Source {
    connection: Connection,
    tables: HashSet<String>,
}

#[derive(Debug)]
enum Connection {
    Postgres(Box<PgConnection>),
    MySql(Box<MySqlConnection>),
    Sqlite(Box<SqliteConnection>),
}

/// What one part reads: columns of a table and of one that may be joined to it.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The table, with the key `id`.
    pub(super) table: String,
    /// A table and its column that holds the id of `table`.
    pub(super) join: Option<(String, String)>,
    /// What is read, in this order. `None`: there is no such column, its cells are empty.
    pub(super) columns: Vec<Option<Column>>,
}

/// A column by its name.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// Of the table.
    Own(String),
    /// Of the joined table.
    Joined(String),
}

/// A row: its id and its cells in the order of [`Reading::columns`].
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    cells: Vec<Cell>,
}

#[derive(Debug)]
enum Cell {
    Null,
    Text(String),
    Unreadable,
}

/// A cell is no text that PostgreSQL could hold: not UTF-8, or with a NUL in it.
#[derive(Debug)]
pub(super) struct Unreadable;

impl Row {
    /// A row as it could have been read.
    #[cfg(test)]
    pub(super) fn of(id: i64, cells: &[Option<&str>]) -> Self {
        let cell = |cell: Option<&str>| cell.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
        Self { id, cells: cells.iter().copied().map(cell).collect() }
    }

    /// The text of a cell, `None` if it is null.
    pub(super) fn text(&self, column: usize) -> Result<Option<&str>, Unreadable> {
        match self.cells.get(column) {
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(Cell::Unreadable) => Err(Unreadable),
            Some(Cell::Null) | None => Ok(None),
        }
    }

    /// An integer, if it is one.
    pub(super) fn number(&self, column: usize) -> Option<i64> {
        self.text(column).ok()??.parse().ok()
    }

    /// A boolean; null is false.
    pub(super) fn flag(&self, column: usize) -> bool {
        matches!(self.text(column), Ok(Some("1" | "t" | "true")))
    }
}

impl Source {
    /// Opens the database and begins the one transaction everything is read in. Nothing that is
    /// said about a failure contains the URL, which has a password.
    ///
    /// # Errors
    /// When the URL is none, or the database refuses or is away.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let scheme = url.split(':').next().unwrap_or_default();
        let mut connection = match scheme {
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(|_| not_a_url())?;
                let connection = PgConnection::connect_with(&options).await;
                Connection::Postgres(Box::new(connection.context("the old database")?))
            }
            "mysql" | "mariadb" => {
                let options = MySqlConnectOptions::from_str(url).map_err(|_| not_a_url())?;
                let connection = MySqlConnection::connect_with(&options).await;
                Connection::MySql(Box::new(connection.context("the old database")?))
            }
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url).map_err(|_| not_a_url())?;
                let options = options.read_only(true).pragma("query_only", "1");
                let connection = SqliteConnection::connect_with(&options).await;
                Connection::Sqlite(Box::new(connection.context("the old database")?))
            }
            _ => return Err(not_a_url()),
        };
        for statement in connection.beginning() {
            connection.run(statement).await?;
        }
        let tables = connection.texts(connection.tables()).await?.into_iter().collect();
        Ok(Self { connection, tables })
    }

    /// Whether there is a table of this name.
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// Names of a table's columns.
    pub(super) async fn columns(&mut self, table: &str) -> anyhow::Result<HashSet<String>> {
        let sql = self.connection.columns(&plain(table)?);
        Ok(self.connection.texts(&sql).await?.into_iter().collect())
    }

    /// How many rows a table has.
    pub(super) async fn count(&mut self, table: &str) -> anyhow::Result<i64> {
        Ok(self.number("count(*)", table).await?.unwrap_or(0))
    }

    /// The greatest id a table ever gave, of rows that are gone too: tokens may name them for a
    /// while.
    pub(super) async fn greatest_id(&mut self, table: &str) -> anyhow::Result<i64> {
        let greatest = self.number("max(id)", table).await?.unwrap_or(0);
        let Some(sql) = self.counter(&plain(table)?) else { return Ok(greatest) };
        let row = self.connection.rows(&sql).await?.into_iter().next().unwrap_or_default();
        // MySQL has it in the words that would make the table, as the next one it would give.
        let counted = row.into_iter().next_back().and_then(|cell| match cell {
            Cell::Text(text) => match text.split_once("AUTO_INCREMENT=") {
                Some((_, rest)) => rest.split(' ').next()?.parse::<i64>().ok().map(|next| next - 1),
                None => text.parse().ok(),
            },
            Cell::Null | Cell::Unreadable => None,
        });
        Ok(greatest.max(counted.unwrap_or(0)))
    }

    /// Asks for the last id a table gave.
    fn counter(&self, table: &str) -> Option<String> {
        match self.connection {
            Connection::Postgres(_) => Some(format!(
                "SELECT CASE WHEN has_sequence_privilege(seqrelid, 'USAGE, SELECT')
                     THEN CAST(pg_sequence_last_value(seqrelid) AS text) END
                 FROM pg_sequence
                 WHERE seqrelid = CAST(pg_get_serial_sequence('\"{table}\"', 'id') AS regclass)"
            )),
            Connection::MySql(_) => Some(format!("SHOW CREATE TABLE `{table}`")),
            Connection::Sqlite(_) => self.has("sqlite_sequence").then(|| {
                format!("SELECT CAST(seq AS text) FROM sqlite_sequence WHERE name = '{table}'")
            }),
        }
    }

    async fn number(&mut self, expression: &str, table: &str) -> anyhow::Result<Option<i64>> {
        let (expression, table) = (self.connection.text(expression), self.connection.quote(table)?);
        let texts = self.connection.texts(&format!("SELECT {expression} FROM {table}")).await?;
        let number = texts.first().map(|text| text.parse()).transpose();
        number.context("the ids of the old table are not integers")
    }

    /// The next rows by id.
    ///
    /// # Errors
    /// When the database is away, or an id is no integer.
    pub(super) async fn page(
        &mut self,
        reading: &Reading,
        after: Option<i64>,
        limit: u32,
    ) -> anyhow::Result<Vec<Row>> {
        let sql = self.connection.page(reading, after, limit)?;
        self.connection.rows(&sql).await?.into_iter().map(row).collect()
    }

    /// The rows whose column `key` is one of these numbers, by id.
    ///
    /// # Errors
    /// When the database is away, or an id is no integer.
    pub(super) async fn among(
        &mut self,
        reading: &Reading,
        key: &str,
        numbers: &[i64],
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for some in numbers.chunks(MOST_AMONG) {
            let sql = self.connection.among(reading, key, some)?;
            rows.extend(self.connection.rows(&sql).await?);
        }
        let rows: anyhow::Result<Vec<Row>> = rows.into_iter().map(row).collect();
        rows.map(|mut rows| {
            rows.sort_by_key(|row| row.id);
            rows
        })
    }
}

/// A time as any of the databases writes it; those without a zone are of `time_zone`.
pub(super) fn read_time(text: &str, time_zone: Tz) -> Option<DateTime<Utc>> {
    let text = text.replace('T', " ");
    if let Ok(time) = DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(time.to_utc());
    }
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time_zone.from_local_datetime(&time).earliest()?.to_utc())
}

fn row(mut cells: Vec<Cell>) -> anyhow::Result<Row> {
    let Some(Cell::Text(id)) = (!cells.is_empty()).then(|| cells.remove(0)) else {
        bail!("a row of the old table has no id");
    };
    Ok(Row { id: id.parse().context("the ids of the old table are not integers")?, cells })
}

fn not_a_url() -> anyhow::Error {
    anyhow::anyhow!(
        "--from is no URL of a database: postgres://…, mysql://… or sqlite:///path/to/db.sqlite3"
    )
}

/// Names come from the command line too. Those of Django have no other characters.
fn plain(name: &str) -> anyhow::Result<String> {
    let well_formed = !name.is_empty()
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    ensure!(well_formed, "{name:?} is no name of a table or column");
    Ok(name.to_owned())
}

impl Connection {
    /// Opens a snapshot that nothing can be written in, however long it is read.
    const fn beginning(&self) -> &'static [&'static str] {
        match self {
            Self::Postgres(_) => &[
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                "SET LOCAL TIME ZONE 'UTC'",
                "SET LOCAL DateStyle TO 'ISO'",
                "SET LOCAL statement_timeout TO 0",
                "SET LOCAL idle_in_transaction_session_timeout TO 0",
            ],
            Self::MySql(_) => &[
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ],
            Self::Sqlite(_) => &["BEGIN"],
        }
    }

    const fn tables(&self) -> &'static str {
        match self {
            Self::Postgres(_) => {
                "SELECT CAST(table_name AS text) FROM information_schema.tables
                 WHERE table_schema = ANY(current_schemas(false))"
            }
            Self::MySql(_) => {
                "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
                 WHERE table_schema = DATABASE()"
            }
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
        }
    }

    fn columns(&self, table: &str) -> String {
        match self {
            Self::Postgres(_) => format!(
                "SELECT CAST(column_name AS text) FROM information_schema.columns
                 WHERE table_schema = ANY(current_schemas(false)) AND table_name = '{table}'"
            ),
            Self::MySql(_) => format!(
                "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = '{table}'"
            ),
            Self::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
        }
    }

    fn page(&self, reading: &Reading, after: Option<i64>, limit: u32) -> anyhow::Result<String> {
        let mut select = self.select(reading)?;
        if let Some(after) = after {
            select = format!("{select} WHERE t.id > {after}");
        }
        Ok(format!("{select} ORDER BY t.id LIMIT {limit}"))
    }

    fn among(&self, reading: &Reading, key: &str, numbers: &[i64]) -> anyhow::Result<String> {
        let (select, key) = (self.select(reading)?, self.quote(key)?);
        let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
        Ok(format!("{select} WHERE t.{key} IN ({})", numbers.join(", ")))
    }

    fn select(&self, reading: &Reading) -> anyhow::Result<String> {
        let mut columns = self.text("t.id");
        for column in &reading.columns {
            columns += ", ";
            columns += &match column {
                Some(Column::Own(name)) => self.text(&format!("t.{}", self.quote(name)?)),
                Some(Column::Joined(name)) => self.text(&format!("j.{}", self.quote(name)?)),
                None => "NULL".to_owned(),
            };
        }
        let mut from = format!("{} t", self.quote(&reading.table)?);
        if let Some((table, key)) = &reading.join {
            let (table, key) = (self.quote(table)?, self.quote(key)?);
            from = format!("{from} LEFT JOIN {table} j ON j.{key} = t.id");
        }
        Ok(format!("SELECT {columns} FROM {from}"))
    }

    fn quote(&self, name: &str) -> anyhow::Result<String> {
        let mark = if matches!(self, Self::MySql(_)) { '`' } else { '"' };
        Ok(format!("{mark}{}{mark}", plain(name)?))
    }

    fn text(&self, expression: &str) -> String {
        let kind = if matches!(self, Self::MySql(_)) { "CHAR" } else { "text" };
        format!("CAST({expression} AS {kind})")
    }

    async fn run(&mut self, statement: &'static str) -> anyhow::Result<()> {
        match self {
            Self::Postgres(connection) => {
                sqlx::raw_sql(statement).execute(&mut **connection).await.map(drop)
            }
            Self::MySql(connection) => {
                sqlx::raw_sql(statement).execute(&mut **connection).await.map(drop)
            }
            Self::Sqlite(connection) => {
                sqlx::raw_sql(statement).execute(&mut **connection).await.map(drop)
            }
        }
        .context("the old database")
    }

    async fn rows(&mut self, sql: &str) -> anyhow::Result<Vec<Vec<Cell>>> {
        // Made of our own words, checked names and integers.
        let query = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => {
                let rows = sqlx::query(query).fetch_all(&mut **connection).await;
                rows.map(|rows| rows.iter().map(cells).collect())
            }
            Self::MySql(connection) => {
                let rows = sqlx::query(query).fetch_all(&mut **connection).await;
                rows.map(|rows| rows.iter().map(cells).collect())
            }
            Self::Sqlite(connection) => {
                let rows = sqlx::query(query).fetch_all(&mut **connection).await;
                rows.map(|rows| rows.iter().map(cells).collect())
            }
        }
        .context("the old database")
    }

    /// The first column of each row, without nulls.
    async fn texts(&mut self, sql: &str) -> anyhow::Result<Vec<String>> {
        let first = |row: Vec<Cell>| match row.into_iter().next() {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        };
        Ok(self.rows(sql).await?.into_iter().filter_map(first).collect())
    }
}

fn cells<R>(row: &R) -> Vec<Cell>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database>,
{
    let cell = |column| match row.try_get_unchecked::<Option<String>, _>(column) {
        Ok(None) => Cell::Null,
        Ok(Some(text)) if !text.contains('\0') => Cell::Text(text),
        Ok(Some(_)) | Err(_) => Cell::Unreadable,
    };
    (0..row.len()).map(cell).collect()
}
