//! `GET|POST /sandbox/faults`: what the sandbox provider is to do wrong.

use poem::{
    Result, handler,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    config::SANDBOX,
    sms::providers::sandbox::faults::{self, Fault, Planned},
};

use crate::{
    error::{Code, Problem},
    state::{SharedState, State},
};

/// Most texts a fault is planned for.
const MOST_TEXTS: i32 = 1_000;

/// What is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    /// The first sandbox provider unless given.
    #[serde(default)]
    provider: Option<String>,
    /// `refuse`, `slow`, `time_out` or `none`.
    fault: String,
    /// With how many texts; until somebody says otherwise unless given.
    #[serde(default)]
    count: Option<i32>,
}

/// `GET /sandbox/faults`.
#[handler]
pub(crate) async fn look(Data(state): Data<&SharedState>) -> Result<Json<Value>> {
    Ok(shown(state).await?)
}

/// `POST /sandbox/faults`: `{"provider"?, "fault", "count"?}`.
#[handler]
pub(crate) async fn plan(
    Data(state): Data<&SharedState>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>> {
    let names = players(state);
    let provider = wanted.provider.or_else(|| names.first().cloned()).unwrap_or_default();
    if !names.contains(&provider) {
        return Err(refused("provider", "This is no sandbox provider.").into());
    }
    let fault = Fault::parse(&wanted.fault);
    if fault.is_none() && wanted.fault != "none" {
        return Err(refused("fault", "One of refuse, slow, time_out and none is required.").into());
    }
    if wanted.count.is_some_and(|count| !(1..=MOST_TEXTS).contains(&count)) {
        return Err(refused("count", "A number of 1 to 1000 is required.").into());
    }
    let remaining = wanted.count.filter(|_| fault.is_some());
    let planned = Planned { provider, fault, remaining };
    faults::plan(&state.pool, &planned).await.map_err(Problem::from)?;
    Ok(shown(state).await?)
}

fn refused(field: &'static str, message: &'static str) -> Problem {
    Problem::new(Code::Validation).with_field(field, "invalid", message)
}

/// The configured providers that play one.
fn players(state: &State) -> Vec<String> {
    let plays = |name: &String| state.config.sms.kind(name).eq_ignore_ascii_case(SANDBOX);
    state.config.sms_order().into_iter().filter(plays).collect()
}

async fn shown(state: &State) -> Result<Json<Value>, Problem> {
    let planned = faults::planned(&state.pool, &players(state)).await?;
    let one = |planned: Planned| {
        json!({
            "provider": planned.provider,
            "fault": planned.fault.map_or("none", Fault::as_str),
            "remaining": planned.remaining,
        })
    };
    let faults: Vec<_> = Fault::ALL.into_iter().map(Fault::as_str).collect();
    let results: Vec<_> = planned.into_iter().map(one).collect();
    Ok(Json(json!({ "faults": faults, "next": null, "previous": null, "results": results })))
}
