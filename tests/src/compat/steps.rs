//! What the steps do: each gives its outcome as an object with `status`, `headers`, `json`, `text`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use regex::Regex;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::{Map, Value, json};

use super::Variables;
use crate::{
    aging,
    fake::{API_KEY, Behaviour, Delivered, FakeKavenegar, RecordedZarinPal},
    harness::{PATIENCE, Peyk, look_within, wait_for},
    multipart::Form,
};

fn form(parts: &Value) -> Form {
    let members = |name: &str| parts[name].as_object().into_iter().flatten();
    let form = members("fields")
        .fold(Form::default(), |form, (name, value)| form.field(name, &plain(value)));
    members("files").fold(form, |form, (name, file)| {
        let text = |member: &str| file[member].as_str();
        let content = text("text").unwrap_or_default().as_bytes();
        form.file(name, text("filename").unwrap_or("file"), text("type"), content)
    })
}

/// The API key of the recordings, in the path of every call to Kavenegar.
const RECORDED_KEY: &str = "TESTKEY";

/// The hooks that can be played.
pub(super) const HOOKS: [&str; 10] = [
    "age_otp",
    "age_phonecode",
    "ban",
    "deactivate",
    "del_sessions",
    "msg_count",
    "payment",
    "room_status",
    "seed_session",
    "wallet",
];

/// What the steps are done to.
pub(super) struct Stage<'a> {
    pub(super) peyk: &'a Peyk,
    pub(super) provider: &'a FakeKavenegar,
    pub(super) gateway: Option<&'a RecordedZarinPal>,
    pub(super) header: Option<(&'static str, String)>,
    client: Client,
}

impl<'a> Stage<'a> {
    pub(super) fn new(peyk: &'a Peyk, provider: &'a FakeKavenegar) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE);
        let client = client.build().expect("the client builds");
        Self { peyk, provider, gateway: None, header: None, client }
    }

    /// One request, sent as it was recorded.
    pub(super) async fn http(&self, request: &Value) -> Map<String, Value> {
        let text = |name: &str| request[name].as_str().expect("a request has it");
        let method = Method::from_bytes(text("method").as_bytes()).expect("a method");
        let mut builder = self.client.request(method, self.peyk.url(text("path")));
        builder = builder.header("Connection", "close").header("Accept", "application/json");
        if let Some(body) = request.get("json") {
            builder = builder.json(body);
        }
        if let Some(form) = request["form"].as_object() {
            let fields: Vec<_> = form.iter().map(|(name, value)| (name, plain(value))).collect();
            builder = builder.form(&fields);
        }
        if let Some(raw) = request["raw"].as_str() {
            builder = builder.body(raw.to_owned());
        }
        if let Some((name, value)) = &self.header {
            builder = builder.header(*name, value);
        }
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            builder = builder.header(name, plain(value));
        }
        if let Some(parts) = request.get("multipart") {
            builder = builder.header("Content-Type", Form::content_type()).body(form(parts).body());
        }
        outcome(builder.send().await.expect("the api answers")).await
    }

    /// The newest text that reached a number; `capture` names a variable for its code.
    pub(super) async fn sms(
        &self,
        wanted: &Value,
        variables: &mut Variables,
    ) -> Map<String, Value> {
        let to = wanted["to"].as_str().expect("a text goes to a number");
        let what = format!("a text to the number of {}", wanted["capture"]);
        let effect = wait_for(&what, || async { self.provider.effects_to(to).pop() }).await;
        let call = &self.provider.calls()[effect.call];
        if let Some(name) = wanted["capture"].as_str() {
            variables.set(name, code_in(&effect.content).into());
        }
        let fields: Map<_, _> =
            call.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let seen = json!({
            "provider": "kavenegar",
            "method": call.request.method,
            "path": call.request.path().replace(API_KEY, RECORDED_KEY),
            "content_type": call.request.header("content-type"),
            "body": fields,
        });
        Map::from_iter([("json".to_owned(), seen)])
    }

    /// How the provider or the gateway treats requests from here on.
    pub(super) fn fake(&self, what: &Value) -> Map<String, Value> {
        if let Some(mode) = what["modes"]["zarinpal"].as_str() {
            self.gateway.expect("a scenario with payments has a gateway").set_mode(mode);
            return Map::new();
        }
        let behaviour = match what["modes"]["kavenegar"].as_str() {
            Some("ok") => Behaviour::Ok,
            Some("reject") => Behaviour::Error(418),
            Some("entry_failed") => Behaviour::EntryStatus(6),
            Some("badjson") => Behaviour::HttpStatus {
                status: 502,
                headers: vec![("Content-Type", "text/html".to_owned())],
                body: "<html>bad gateway</html>".to_owned(),
            },
            Some("empty") => Behaviour::EmptyObject,
            Some("drop") => Behaviour::ResetAfterRead { effect: false },
            other => panic!("nobody knows the provider's mode {other:?}"),
        };
        self.provider.behave_always(behaviour);
        Map::new()
    }

    /// Runs a statement with these numbers.
    async fn change(&self, sql: &'static str, numbers: &[Value]) {
        let query = numbers.iter().fold(sqlx::query(sql), |query, number| {
            query.bind(number.as_i64().expect("a row's number"))
        });
        query.execute(&self.peyk.database.pool).await.expect("the statement is good");
    }

    /// What the database says, as the old system's tables would have said it.
    async fn look(&self, sql: &'static str, argument: &str) -> Map<String, Value> {
        let query = sqlx::query_scalar::<_, Value>(sql).bind(argument);
        let seen = query.fetch_one(&self.peyk.database.pool).await.expect("there is such a row");
        Map::from_iter([("json".to_owned(), seen)])
    }

    /// The old system verifies while the payer waits; here a worker goes on after a gateway's outage.
    /// What no gateway answers is waited for so long and no longer.
    async fn let_verifications_end(&self) {
        let soon = "SELECT count(*) FROM payments WHERE lease_until IS NOT NULL
            OR next_attempt_at < now() + interval '30 seconds'";
        look_within(PATIENCE, || async {
            (self.peyk.database.count(soon).await == 0).then_some(())
        })
        .await;
    }

    /// A meddling with the database, by its name in the recordings.
    pub(super) async fn hook(&self, name: &str, arguments: &[Value]) -> Map<String, Value> {
        let argument = |at: usize| arguments.get(at).map(plain).unwrap_or_default();
        let number = |at: usize| Value::from(argument(at).parse::<i64>().expect("a number"));
        match name {
            "age_otp" | "age_phonecode" => {
                let seconds: u32 = argument(1).parse().expect("an age in seconds");
                aging::age_code_to(&self.peyk.database.pool, &argument(0), seconds).await;
            }
            "deactivate" => {
                self.change("UPDATE users SET is_active = false WHERE id = $1", &arguments[..1])
                    .await;
            }
            "ban" => self.change(BAN, &[number(0), number(1)]).await,
            "room_status" => {
                let status = "UPDATE rooms SET status = $2 WHERE id = $1";
                self.change(status, &[number(0), number(1)]).await;
            }
            "msg_count" => return self.look(MESSAGES, &argument(0)).await,
            "payment" => return self.look(PAYMENT, &argument(0)).await,
            "wallet" => {
                self.let_verifications_end().await;
                return self.look(WALLET, &argument(0)).await;
            }
            "del_sessions" => self.change("DELETE FROM sessions", &[]).await,
            // The key, the second argument, is something sessions here do not have.
            "seed_session" => self.change(SEED_SESSION, &arguments[..1]).await,
            other => panic!("nobody knows the hook {other}: play it or list it as skipped"),
        }
        Map::new()
    }
}

/// A payment by its authority.
const PAYMENT: &str = "SELECT jsonb_build_object(
        'status', CASE p.state WHEN 'paid' THEN 'paid' WHEN 'cancelled' THEN 'canceled'
            WHEN 'reversed' THEN 'refounded' WHEN 'refunded' THEN 'refounded' ELSE 'unpaid' END,
        'status_code', coalesce(p.gateway_code, s.code), 'ref_id', p.ref_id,
        'card_pan', p.card_pan, 'order_id', p.order_id, 'currency', p.currency,
        'mobile', p.mobile, 'pay_mode', CASE p.purpose WHEN 'charge_wallet' THEN 1 ELSE 2 END,
        'gateway_title', CASE p.gateway WHEN 'zarinpal' THEN 'ZARINPAL_COM' END)
    FROM payments p JOIN payment_sessions s ON s.payment_id = p.id WHERE s.authority = $1";

/// A user's wallet in tomans, which the recorded installation counts in.
const WALLET: &str = "SELECT jsonb_build_object('rows', count(*),
        'amount', coalesce(sum(balance_rials), 0)::bigint / 10)
    FROM wallets WHERE user_id = $1::bigint";

/// Puts somebody out of a room for good.
const BAN: &str = "WITH gone AS (DELETE FROM room_members WHERE room_id = $1 AND user_id = $2)
    INSERT INTO room_bans (room_id, user_id, created_at) VALUES ($1, $2, now())";

/// How many messages a room has.
const MESSAGES: &str =
    "SELECT jsonb_build_object('n', count(*)) FROM chat_messages WHERE room_id = $1::bigint";

/// A session as the recordings put one into the table.
const SEED_SESSION: &str = "INSERT INTO sessions (user_id, user_agent, ip, created_at,
        last_seen_at, authenticated_at, refresh_issued_at, refresh_expires_at, expires_at)
    VALUES ($1, 'seed-agent', '10.9.8.7', now(), now(), now(), now(), now() + interval '1 day',
        now() + interval '1 day')";

/// The parts of a token, its signature unchecked.
pub(super) fn jwt(token: &str) -> Map<String, Value> {
    let parts: Vec<Value> = token.split('.').take(2).map(decode_part).collect();
    let [header, claims] = &parts[..] else { panic!("a token has a header and claims") };
    let time = |name: &str| claims[name].as_i64().expect("a token has times");
    let lifetime = time("exp") - time("iat");
    let seen = json!({"header": header, "claims": claims, "lifetime_s": lifetime});
    Map::from_iter([("json".to_owned(), seen)])
}

fn decode_part(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("the parts of a token are base64url");
    serde_json::from_slice(&bytes).expect("the parts of a token are JSON")
}

/// `$.a.b[0]`, with `|int` for a text that holds a number.
pub(super) fn capture(from: &Value, path: &str) -> Option<Value> {
    let (path, conversion) = path.split_once('|').unwrap_or((path, ""));
    let step = Regex::new(r"\.(\w+)|\[(\d+)\]").expect("a constant pattern");
    let mut found = from;
    for step in step.captures_iter(path) {
        found = match (step.get(1), step.get(2)) {
            (Some(name), _) => found.get(name.as_str())?,
            (_, Some(index)) => found.get(index.as_str().parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match conversion {
        "int" => plain(found).parse::<i64>().ok().map(Value::from),
        _ => Some(found.clone()),
    }
}

/// A value as a form or a header writes it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn code_in(content: &Delivered) -> String {
    let text = match content {
        Delivered::Text(text) => text.clone(),
        Delivered::Template { tokens, .. } => {
            tokens.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
        }
    };
    let code = Regex::new(r"\d{3,10}").expect("a constant pattern");
    code.find(&text).expect("the text holds a code").as_str().to_owned()
}

async fn outcome(response: reqwest::Response) -> Map<String, Value> {
    let status = response.status().as_u16();
    let header = |value: &reqwest::header::HeaderValue| {
        Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers: Map<_, _> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), header(value)))
        .collect();
    let is_json = headers.get("content-type").is_some_and(|it| plain(it).contains("json"));
    let body = response.text().await.expect("the answer ends");
    let body = if is_json && !body.is_empty() {
        ("json", serde_json::from_str(&body).expect("an answer that says it is JSON is"))
    } else {
        ("text", body.into())
    };
    let members = [("status", status.into()), ("headers", headers.into()), body];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_value() {
        let from = json!({"a": [{"b": "7"}]});
        assert_eq!(capture(&from, "$.a[0].b"), Some(json!("7")));
        assert_eq!(capture(&from, "$.a[0].b|int"), Some(json!(7)));
        assert_eq!(capture(&from, "$.a[1].b"), None);
    }
}
