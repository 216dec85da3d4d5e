//! From the query of a list to the engine of lists, and from its page to the answer. A handler names
//! its filters and is done:
//!
//! ```ignore
//! let asked = Asked::new(state.0, "admin/users/", (sort.0, cursor.0, limit.0))
//!     .search(search.0, |text| read_search(state.0, text))
//!     .with(&users::ROLE, role.0);
//! Ok(Json(asked.page::<Person, StaffUserPage>(&staff).await?))
//! ```

use poem_openapi::{Enum, types::ToJSON};
use serde_json::Value as Json;
use shared::{
    admin::lists::{Filter, Kind, LONGEST_PAGE, ListError, Listed, Value, Wanted},
    audit::Subject,
    phone::PhoneNumber,
};

use crate::{
    caller::Staff,
    error::{Code, Problem},
    routes::paging::Link,
    state::State,
    timestamp::Timestamp,
};

/// The order of most lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ByAge {
    /// The latest first.
    Newest,
    /// The first one first.
    Oldest,
}

/// What somebody asks of a list.
pub(crate) struct Asked<'a> {
    state: &'a State,
    path: String,
    wanted: Wanted,
    /// The request's parameters, for the address of the next page.
    query: Vec<(&'static str, String)>,
    refused: Option<&'static str>,
}

/// A page as it is answered; made by [`staff_page`].
pub(crate) trait StaffPage {
    /// What its results are.
    type Row;

    /// Puts it together.
    fn new(found: Found<Self::Row>) -> Self;
}

/// What was found.
pub(crate) struct Found<R> {
    pub(crate) next: Option<String>,
    pub(crate) results: Vec<R>,
    pub(crate) looked_back_to: Option<Timestamp>,
}

impl<'a> Asked<'a> {
    /// The list at this path, in this order (one of the listing's), from this cursor on, so many rows.
    pub(crate) fn new<S: ToJSON>(
        state: &'a State,
        path: impl Into<String>,
        (sort, cursor, limit): (Option<S>, Option<String>, Option<i64>),
    ) -> Self {
        let sort = sort.and_then(|sort| sort.to_json()).as_ref().map(text);
        let mut query = Vec::new();
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        query.extend(sort.clone().map(|sort| ("sort", sort)));
        let limit = limit.map(|limit| limit.clamp(1, LONGEST_PAGE));
        let wanted = Wanted { filters: Vec::new(), sort, cursor, limit, about: None };
        Self { state, path: path.into(), wanted, query, refused: None }
    }

    /// What all rows belong to, which the path names: only they are listed, and it is what was looked at.
    #[must_use]
    pub(crate) fn about(mut self, subject: Subject, filter: &'static Filter, id: i64) -> Self {
        self.wanted.about = Some(subject);
        self.wanted.filters.push((filter, Value::Integer(id)));
        self
    }

    /// Only rows that are so. The parameter has the filter's name; an enum is its word.
    #[must_use]
    pub(crate) fn with<V: ToJSON>(mut self, filter: &'static Filter, value: Option<V>) -> Self {
        let Some(given) = value.and_then(|value| value.to_json()) else { return self };
        let text = text(&given);
        if text.is_empty() {
            return self;
        }
        match read(filter.kind, &given) {
            Some(value) => {
                self.wanted.filters.push((filter, value));
                self.query.push((filter.name, text));
            }
            None => self.refused = Some(filter.name),
        }
        self
    }

    /// Only rows with what is searched for; `None` of `read`: nobody can search for that.
    #[must_use]
    pub(crate) fn search(
        self,
        text: Option<String>,
        read: impl FnOnce(&str) -> Option<(&'static Filter, Value)>,
    ) -> Self {
        self.read("search", text, read)
    }

    /// The same by a parameter of another name that stands for one of several filters.
    #[must_use]
    pub(crate) fn read(
        mut self,
        name: &'static str,
        text: Option<String>,
        read: impl FnOnce(&str) -> Option<(&'static Filter, Value)>,
    ) -> Self {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return self };
        match read(text.trim()).filter(|_| !text.contains('\0')) {
            Some(given) => {
                self.wanted.filters.push(given);
                self.query.push((name, text));
            }
            None => self.refused = Some(name),
        }
        self
    }

    /// As [`Asked::search`], by a number in any usual form.
    #[must_use]
    pub(crate) fn search_phone(self, text: Option<String>, filter: &'static Filter) -> Self {
        let rules = &self.state.phones;
        self.search(text, |text| Some((filter, phone_value(&rules.parse(text).ok()?))))
    }

    /// The page, written down before it is shown.
    ///
    /// # Errors
    /// When a parameter is wrong, or the database is away or was asked too much.
    pub(crate) async fn page<T: Listed, P: StaffPage<Row: From<T>>>(
        self,
        staff: &Staff<impl Sized>,
    ) -> Result<P, Problem> {
        self.page_of(staff, |row: T| row.into()).await
    }

    /// The same, where rows do not become what is answered by themselves.
    ///
    /// # Errors
    /// See [`Asked::page`].
    pub(crate) async fn page_of<T: Listed, P: StaffPage>(
        self,
        staff: &Staff<impl Sized>,
        answer: impl FnMut(T) -> P::Row,
    ) -> Result<P, Problem> {
        if let Some(name) = self.refused {
            return Err(invalid(name, "Enter a valid value."));
        }
        let (source, shown) = (staff.caller.source(), staff.shown());
        let page = self.state.admin.list::<T>(&source, &self.wanted, shown).await?;
        Ok(P::new(Found {
            next: page.next.map(|cursor| self.next(&cursor)),
            results: page.rows.into_iter().map(answer).collect(),
            looked_back_to: page.looked_back_to.map(Timestamp),
        }))
    }

    fn next(&self, cursor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("cursor", cursor);
        query.extend_pairs(&self.query);
        let link = Link { state: self.state, path: &self.path, query: &[] };
        format!("{}?{}", link.url(), query.finish())
    }
}

/// A text as it was searched for.
pub(crate) fn text_value(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A number as the database has it.
pub(crate) fn phone_value(phone: &PhoneNumber) -> Value {
    Value::Text(phone.as_e164().to_owned())
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `None`: it is not of this kind.
fn read(kind: Kind, value: &Json) -> Option<Value> {
    Some(match kind {
        Kind::Integer => Value::Integer(value.as_i64()?),
        Kind::Flag => Value::Flag(value.as_bool()?),
        Kind::Text => Value::Text(value.as_str().filter(|text| !text.contains('\0'))?.to_owned()),
        Kind::Ip => Value::Ip(value.as_str()?.parse().ok()?),
        Kind::Time => Value::Time(value.as_str()?.parse().ok()?),
    })
}

fn invalid(name: &'static str, message: &'static str) -> Problem {
    Problem::new(Code::Validation).with_field(name, "invalid", message)
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor => invalid("cursor", "This is no cursor of this list."),
            ListError::Sort => invalid("sort", "This list has no such order."),
            ListError::SortNeeds(filter) => {
                let sentence = format!("This order is only there together with {filter}.");
                Self::new(Code::Validation).with_field("sort", "needs_filter", sentence)
            }
            ListError::Database(error) => error.into(),
        }
    }
}

/// A page of a list: `staff_page!(/** doc */ StaffUserPage of StaffUser, "admin/users/")`.
macro_rules! staff_page {
    ($(#[$doc:meta])* $page:ident of $row:ty, $path:literal) => {
        $(#[$doc])*
        #[derive(Debug, poem_openapi::Object)]
        #[oai(example)]
        pub(crate) struct $page {
            /// The next page; null on the last. A page may be short, even empty, and not the last.
            next: Option<String>,
            /// Pages go one way: always null.
            previous: Option<String>,
            /// What was found.
            results: Vec<$row>,
            /// If the page is short because it looked at so many rows: when the last of these came to
            /// be. The next page goes on from there.
            #[oai(skip_serializing_if_is_none)]
            looked_back_to: Option<crate::timestamp::Timestamp>,
        }

        impl poem_openapi::types::Example for $page {
            fn example() -> Self {
                let url = |cursor: &str| {
                    format!(concat!("https://peyk.example/api/", $path, "?cursor={}"), cursor)
                };
                Self {
                    next: Some(url("WyJuZXdlc3QiLG51bGwsMTdd")),
                    previous: Some(url("WyJuZXdlc3QiLG51bGwsMTE3XQ")),
                    results: vec![<$row as poem_openapi::types::Example>::example()],
                    looked_back_to: Some(crate::timestamp::Timestamp(
                        chrono::DateTime::UNIX_EPOCH,
                    )),
                }
            }
        }

        impl crate::routes::admin::listing::StaffPage for $page {
            type Row = $row;

            fn new(found: crate::routes::admin::listing::Found<$row>) -> Self {
                let crate::routes::admin::listing::Found { next, results, looked_back_to } = found;
                Self { next, previous: None, results, looked_back_to }
            }
        }
    };
}
pub(crate) use staff_page;

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_sort() -> Option<ByAge> {
    Some(ByAge::Newest)
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_cursor() -> Option<String> {
    Some("WyJuZXdlc3QiLG51bGwsMTdd".to_owned())
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_search() -> Option<String> {
    Some("09123456789".to_owned())
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_flag() -> Option<bool> {
    Some(true)
}

/// For parameters of documented lists.
#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_ip() -> Option<String> {
    Some("203.0.113.7".to_owned())
}
