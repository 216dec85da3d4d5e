//! What a page of a long list costs against one of a short list.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{http::Connection, statistics::Latencies, system::System};

/// Pages asked for of each list.
const PAGES: usize = 500;
/// What a page of the long list may cost of one of the short one.
pub(super) const MOST: f64 = 1.5;

/// One after the other over one connection; `who` is the header that says who asks.
pub(super) async fn page_times(
    system: &System,
    who: &str,
    path: &str,
) -> anyhow::Result<Latencies> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{who}\r\n\r\n");
    let mut connection = Connection::open(system.address).await?;
    let mut times = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let asked = Instant::now();
        let (status, body) =
            connection.ask(request.as_bytes()).await.context("a page is answered")?;
        ensure!(status == 200 && !body.is_empty(), "a page was answered {status}");
        times.push(asked.elapsed());
    }
    Ok(Latencies::new(times))
}
