//! Which operations need credentials: the tag of an operation says which.

use serde_json::{Map, Value, json};

/// What opens the operations of a tag; each is enough.
const OPENED_BY: [(&str, &[&str]); 8] = [
    ("Messages", &["apiKey", "bearer"]),
    ("Account", &["bearer"]),
    ("Sessions", &["bearer"]),
    ("Payments", &["bearer"]),
    ("Wallets", &["bearer"]),
    ("Organizations", &["bearer"]),
    ("Chat", &["bearer"]),
    ("Staff", &["bearer", "cookie"]),
];

/// Operations that an access token opens, and something in the body as well.
const ALSO_OPENED_BY: [(&str, &str); 1] = [("logOut", "bearer")];
/// Operations of those tags that other things open; nothing: they are open to everybody.
const OTHERWISE: [(&str, &[&str]); 20] = [
    ("confirm", &["bearer", "cookie"]),
    ("sendConfirmation", &["bearer", "cookie"]),
    ("beginConsoleSession", &[]),
    ("reversePayment", &["bearer", "cookie"]),
    ("refundPayment", &["bearer", "cookie"]),
    ("listPaymentReturns", &["bearer", "cookie"]),
    ("settlePaymentReturn", &["bearer", "cookie"]),
    ("getConsoleSession", &["cookie"]),
    ("endConsoleSession", &["cookie"]),
    ("listInboundMessages", &["apiKey"]),
    ("verifyPayment", &[]),
    ("verifyPaymentForm", &[]),
    ("getPaymentStatus", &[]),
    ("getWallet", &["apiKey"]),
    ("listWalletEntries", &["apiKey"]),
    ("spendFromWallet", &["apiKey"]),
    ("transferBetweenWallets", &["apiKey"]),
    ("holdInWallet", &["apiKey"]),
    ("captureHold", &["apiKey"]),
    ("releaseHold", &["apiKey"]),
];

/// Declares API keys and bearers, and demands them of the operations that need one.
pub(super) fn add(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "Made with `api keys create`. `Authorization: Bearer …` is read too.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of a login.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-peyk",
            "description": "The session of the console, begun with `admin/session/` (`peyk` over \
                plain HTTP). What changes something also needs `X-CSRF-Token`, which that operation \
                gives, and has to come from a page of this server.",
        },
    });
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let tags = operation["tags"].as_array().cloned().unwrap_or_default();
        for (_, schemes) in OPENED_BY.iter().filter(|(tag, _)| tags.iter().any(|is| is == tag)) {
            let other = OTHERWISE.iter().find(|(id, _)| operation["operationId"] == *id);
            let schemes = other.map_or(*schemes, |(_, schemes)| schemes);
            operation["security"] = schemes.iter().map(|scheme| json!({ *scheme: [] })).collect();
        }
        let id = operation["operationId"].clone();
        for (_, scheme) in ALSO_OPENED_BY.iter().filter(|(operation, _)| id == *operation) {
            operation["security"] = json!([{ *scheme: [] }, {}]);
        }
    }
}
