//! `admin/templates/`: the configured templates of texts.

use std::collections::HashMap;

use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use shared::admin::templates::StaffTemplate as Found;

use super::StaffListProblem;
use crate::{
    caller::{Staff, task},
    error::Problem,
    routes::Tag,
    state::SharedState,
};

/// A template of texts, as it is configured.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffTemplate {
    /// What it is asked for with.
    name: String,
    /// Its Persian text, with `{variable}`s; absent if only providers have it.
    #[oai(skip_serializing_if_is_none)]
    text: Option<String>,
    /// Its English text; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    text_en: Option<String>,
    /// Parts of the Persian text, its variables counted as they are written.
    #[oai(skip_serializing_if_is_none)]
    segments: Option<i32>,
    /// The same of the English text.
    #[oai(skip_serializing_if_is_none)]
    segments_en: Option<i32>,
    /// Its variables, in order.
    variables: Vec<String>,
    /// What it is called at all providers that `providers` does not name; absent: they get the text.
    #[oai(skip_serializing_if_is_none)]
    provider_name: Option<String>,
    /// What it is called at these providers, by their configured names.
    providers: HashMap<String, String>,
}

impl From<Found> for StaffTemplate {
    fn from(found: Found) -> Self {
        let template = found.template;
        Self {
            name: found.name,
            text: template.text,
            text_en: template.text_en,
            segments: found.segments.map(i32::from),
            segments_en: found.segments_en.map(i32::from),
            variables: template.variables,
            provider_name: template.name,
            providers: template.providers.into_iter().collect(),
        }
    }
}

impl Example for StaffTemplate {
    fn example() -> Self {
        Self {
            name: "order_sent".to_owned(),
            text: Some("سفارش {order} فرستاده شد.".to_owned()),
            text_en: Some("Order {order} was sent.".to_owned()),
            segments: Some(1),
            segments_en: Some(1),
            variables: vec!["order".to_owned()],
            provider_name: Some("order-sent".to_owned()),
            providers: HashMap::from([("sms_ir".to_owned(), "100000".to_owned())]),
        }
    }
}

/// All templates.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffTemplateList {
    /// By their names.
    results: Vec<StaffTemplate>,
}

impl Example for StaffTemplateList {
    fn example() -> Self {
        Self { results: vec![StaffTemplate::example()] }
    }
}

/// The operations.
pub(crate) struct StaffTemplateApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffTemplateApi {
    /// Look at the templates
    ///
    /// All of them, as they are configured: they are changed there. Written down in the audit log.
    #[oai(path = "/admin/templates", method = "get", operation_id = "listStaffTemplates")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
    ) -> Result<Json<StaffTemplateList>, StaffListProblem> {
        let found = state.admin.templates(&staff.caller.source(), &state.config.sms).await;
        let found = found.map_err(Problem::from)?;
        let results = found.into_iter().map(StaffTemplate::from).collect();
        Ok(Json(StaffTemplateList { results }))
    }
}
