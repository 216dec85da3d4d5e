//! What the document offers of lists: each with the queries to try.

use serde_json::Value;

/// A list and the ways to ask for it.
pub(super) struct List {
    /// Its operationId.
    pub(super) name: String,
    /// Its path.
    pub(super) path: String,
    /// Queries, with their `?`.
    pub(super) ways: Vec<String>,
}

/// Values that find something, and some that find nothing, by the names of parameters. Others are
/// asked for with the example of the document.
const VALUES: [(&str, &[&str]); 19] = [
    ("id", &["17"]),
    (
        "search",
        &["09120000123", "09129999999", "G0-0912", "G0-09120000123", "order-17", "shop_17", "x"],
    ),
    ("user_id", &["17", "999999999"]),
    ("actor", &["3"]),
    ("api_key_id", &["3", "999"]),
    ("bulk_id", &["c4ca4238a0b923820dcc509a6f75849b"]),
    ("ip", &["10.0.0.17", "203.0.113.7"]),
    ("provider", &["kavenegar", "sms_ir", "nobody"]),
    ("reason", &["kavenegar.412", "expired", "nothing"]),
    ("endpoint", &["shop", "nobody"]),
    ("kind", &["sms.sent", "user.erased", "nothing"]),
    ("gateway", &["zarinpal", "payping", "nobody"]),
    ("order_id", &["order-17", "nothing"]),
    ("authority", &["S00000000000000000000000000000000017"]),
    ("ref_id", &["17", "999999999"]),
    ("country", &["IR", "DE", "FR"]),
    ("subject", &["user", "user:17"]),
    ("action", &["user.disabled", "user.viewed", "nothing"]),
    ("group", &["0", "1"]),
];

/// Every operation below `admin/` that answers pages; those whose path names something with each value
/// it may have.
pub(super) fn lists(document: &Value) -> Vec<List> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let lists = paths.filter(|(path, _)| path.starts_with("/api/admin/"));
    let operations = lists.filter_map(|(path, item)| {
        Some((path, item.get("get").filter(|get| is_list(document, get))?))
    });
    operations
        .flat_map(|(path, operation)| {
            let name = operation["operationId"].as_str().unwrap_or_default();
            let places = named(document, path, operation).into_iter();
            places.map(move |(path, of)| List {
                name: format!("{name}{of}"),
                path,
                ways: ways(document, operation),
            })
        })
        .collect()
}

/// The path with what it names filled in, and what that is.
fn named(document: &Value, path: &str, operation: &Value) -> Vec<(String, String)> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![(path.to_owned(), String::new())];
    };
    let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let mut own = parameters.filter(|it| it["in"] == "path" && it["name"] == name);
    let values = own.next().map_or_else(Vec::new, |it| values(document, it));
    values.iter().map(|it| (format!("{before}{it}{after}"), format!(" {it}"))).collect()
}

fn is_list(document: &Value, operation: &Value) -> bool {
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    let properties = &resolve(document, schema)["properties"];
    properties["results"].is_object() && properties["next"].is_object()
}

/// Each value of each parameter alone, and each value of a filter in each order.
fn ways(document: &Value, operation: &Value) -> Vec<String> {
    let mut filters = Vec::new();
    let mut orders = vec![String::new()];
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        match name {
            _ if parameter["in"] != "query" => {}
            "cursor" | "limit" | "before" => {}
            "sort" => {
                orders.extend(values(document, parameter).iter().map(|it| format!("sort={it}")));
            }
            _ => {
                filters.extend(values(document, parameter).iter().map(|it| format!("{name}={it}")));
            }
        }
    }
    filters.push(String::new());
    let together = |filter: &String| {
        // Some orders are only there together with an account.
        let needs = |order: &String| {
            let of_some = ["sort=last_seen", "sort=last_activity"].contains(&order.as_str());
            if of_some && !filter.starts_with("user_id") { "&user_id=17" } else { "" }
        };
        let way = |order: &String| format!("?{filter}&{order}{}", needs(order));
        orders.iter().map(way).collect::<Vec<_>>()
    };
    filters.iter().flat_map(together).collect()
}

fn values(document: &Value, parameter: &Value) -> Vec<String> {
    let name = parameter["name"].as_str().unwrap_or_default();
    let schema = resolve(document, &parameter["schema"]);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(text).collect();
    }
    if schema["type"] == "boolean" {
        return vec!["true".to_owned(), "false".to_owned()];
    }
    if let Some((_, values)) = VALUES.iter().find(|(known, _)| *known == name) {
        return values.iter().map(|value| (*value).to_owned()).collect();
    }
    let example = [&parameter["example"], &parameter["schema"]["example"], &schema["example"]];
    let example = example.into_iter().find(|example| !example.is_null());
    example.map(|example| vec![encode(&text(example))]).unwrap_or_default()
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let Some(name) = reference.and_then(|path| path.rsplit('/').next()) else { return schema };
    &document["components"]["schemas"][name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_tried_alone_and_in_every_order() {
        let document: Value =
            serde_json::from_str(include_str!("../../../../openapi/openapi.json")).unwrap();
        let lists = lists(&document);
        let users = lists.iter().find(|list| list.name == "listUsers").unwrap();
        for way in ["?&", "?is_active=false&sort=oldest", "?search=09120000123&", "?role=admin&"] {
            assert!(users.ways.iter().any(|it| it == way), "{way}: {:?}", users.ways);
        }
        // Some are short and shown whole.
        let whole = ["listCronJobs", "listProviders", "listQueues"];
        let of_rows = |list: &&List| list.path.matches('/').count() > 4;
        let others = lists.iter().filter(|list| !whole.contains(&&*list.name) && !of_rows(list));
        assert!(others.into_iter().all(|list| list.ways.len() > 1), "each offers something");
        let queue = lists.iter().find(|list| list.name == "listQueueItems webhooks").unwrap();
        assert_eq!(queue.path, "/api/admin/queues/webhooks/items/");
        assert!(queue.ways.iter().any(|way| way == "?state=due&"), "{:?}", queue.ways);
    }
}
