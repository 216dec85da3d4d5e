//! The page of the sandbox bank, where a payer pays, turns back, or plays what goes wrong.

use poem::{
    IntoResponse, Response, Result, handler,
    http::StatusCode,
    web::{Data, Form, Path, Query, Redirect},
};
use serde::Deserialize;
use shared::payments::gateways::sandbox::{self as bank, BankPage, Deed, PageState, WayBack};

use super::bank_page as show;
use crate::{error::Problem, state::SharedState};

/// What the buttons post.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Pays and goes back.
    Pay,
    /// Turns back.
    Cancel,
    /// Is refused, and goes back.
    Fail,
    /// Pays and closes the tab: nobody ever comes back.
    Close,
    /// Pays and comes back when it suits.
    Late,
    /// Pays and comes back twice at once.
    Double,
}

impl Action {
    const fn deed(self) -> Deed {
        match self {
            Self::Pay | Self::Close | Self::Late | Self::Double => Deed::Pay,
            Self::Cancel => Deed::Cancel,
            Self::Fail => Deed::Fail,
        }
    }
}

/// What a page is to say after an action.
#[derive(Debug, Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    then: String,
}

/// `GET /sandbox/bank/{authority}`.
#[handler]
pub(crate) async fn look(
    Data(state): Data<&SharedState>,
    Path(authority): Path<String>,
    Query(after): Query<After>,
) -> Result<Response> {
    let Some(page) = bank::page(&state.pool, &authority).await.map_err(Problem::from)? else {
        return Ok(show::unknown().with_status(StatusCode::NOT_FOUND).into_response());
    };
    let paid = page.state == PageState::Paid;
    Ok(match after.then.as_str() {
        "close" if paid => show::closed(&page),
        "late" if paid => show::late(&page),
        "double" if paid => show::double(&page),
        _ if page.state == PageState::Open && !page.is_over() => show::open(&page),
        _ => show::done(&page),
    })
}

/// `POST /sandbox/bank/{authority}`: however often a button is pressed, its deed is done once.
#[handler]
pub(crate) async fn act(
    Data(state): Data<&SharedState>,
    Path(authority): Path<String>,
    Form(Choice { action }): Form<Choice>,
) -> Result<Response> {
    let deed = action.deed();
    let page = bank::act(&state.pool, &authority, deed).await.map_err(Problem::from)?;
    let Some(page) = page else {
        return Ok(show::unknown().with_status(StatusCode::NOT_FOUND).into_response());
    };
    if page.state != deed.leads_to() {
        // Something else was done before: the page says what.
        return Ok(again(""));
    }
    Ok(match action {
        Action::Pay | Action::Cancel | Action::Fail => send_back(&page),
        Action::Close => again("close"),
        Action::Late => again("late"),
        Action::Double => again("double"),
    })
}

/// To the same page, wherever it is mounted, so that reloading it does nothing again.
fn again(then: &str) -> Response {
    Redirect::see_other(format!("?then={then}")).into_response()
}

fn send_back(page: &BankPage) -> Response {
    match page.way_back() {
        WayBack::Get(url) => Redirect::see_other(url).into_response(),
        WayBack::Post { .. } => show::posting(page),
    }
}
