//! Pages of lists: newest first, each begins before the last row of the one it follows.

use crate::state::State;

/// Rows of a page unless asked otherwise, and at most.
const PAGE: i64 = 30;
const LONGEST_PAGE: i64 = 100;

/// How much of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    /// Only rows before this one.
    pub(crate) before: Option<i64>,
    limit: i64,
}

impl Paging {
    /// What the query says.
    pub(crate) fn new(before: Option<i64>, limit: Option<i64>) -> Self {
        Self { before, limit: limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE) }
    }

    /// How many rows to read: one more than the page shows, to know whether there is a next one.
    pub(crate) fn rows(self) -> i64 {
        self.limit + 1
    }

    /// A page of what was found, as it is answered, behind the next page's address; see
    /// [`Paging::cut`].
    pub(crate) fn page<T, R: From<T>>(
        self,
        mut found: Vec<T>,
        id: impl Fn(&T) -> i64,
        link: &Link<'_>,
    ) -> (Option<String>, Vec<R>) {
        let next = self.cut(&mut found, id, link);
        (next, found.into_iter().map(R::from).collect())
    }

    /// Takes the surplus row off and gives the next page's address, if there is one. `id`: what rows
    /// are ordered by. `query`: the other parameters, as pairs.
    pub(crate) fn cut<T>(
        self,
        found: &mut Vec<T>,
        id: impl Fn(&T) -> i64,
        link: &Link<'_>,
    ) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = id(found.last().filter(|_| more)?);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("before", &last.to_string());
        query.append_pair("limit", &self.limit.to_string());
        query.extend_pairs(
            link.query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))),
        );
        Some(format!("{}?{}", link.url(), query.finish()))
    }
}

/// Where a list is.
pub(crate) struct Link<'a> {
    /// For the addresses of this installation.
    pub(crate) state: &'a State,
    /// Below the prefix, with its slashes: `admin/users/`.
    pub(crate) path: &'a str,
    /// Parameters that all of its pages have.
    pub(crate) query: &'a [(&'a str, Option<String>)],
}

impl Link<'_> {
    /// The list without a query.
    pub(crate) fn url(&self) -> String {
        let prefix = self.state.config.http.prefixes.first().map_or("", String::as_str);
        format!("{}{prefix}/{}", self.state.config.http.public_url, self.path)
    }
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_before() -> Option<i64> {
    Some(141)
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_limit() -> Option<i64> {
    Some(PAGE)
}
