//! Every operation of the document, tried by everybody who has no business with what it names:
//! nothing of the victim's is shown, and nothing of it changes. An operation that is not in the
//! table fails, so that whoever adds one says here who may use it.

mod table;

use std::collections::BTreeSet;

use peyk_tests::harness::{Answer, Peyk};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};

use self::table::{
    Guard::{self, Console, Key, Open, Own, Shop, Staff, Texts, Theirs, Viewers},
    TABLE,
};
use crate::{
    bulk_steps,
    login_steps::patient,
    people::{Person, unique},
};

/// What ends the caller: tried last.
const LAST: [&str; 2] = ["logOut", "eraseMe"];

/// Whose token is used; the victim's own is not among them.
#[derive(Debug)]
enum Caller {
    Anonymous,
    /// Somebody with nothing but an account, who may send texts of their own.
    Stranger(Person),
    /// The owner of another organization, who may send texts too.
    OtherTenant(Person),
    /// The least of the staff.
    Viewer(Person),
    /// The key of another application.
    OtherKey(String),
}

/// Somebody who has one of everything.
struct Victim {
    person: Person,
    member: i64,
    session: i64,
    organization: i64,
    invitation: i64,
    message: i64,
    bulk: String,
    payment: i64,
    room: i64,
    words: i64,
    /// An event that was told of them.
    webhook: i64,
}

impl Victim {
    async fn new(peyk: &Peyk) -> Self {
        let person = may_text(peyk, Person::new(peyk).await).await;
        let member = Person::new(peyk).await;
        let pool = &peyk.database.pool;
        let named = "UPDATE users SET first_name = 'Victima', email = 'victima@example.org',
                password = 'pbkdf2_sha256$600000$salt$hash'
            WHERE id = $1 RETURNING (SELECT id FROM sessions WHERE user_id = $1)";
        let session = sqlx::query_scalar(named).bind(person.id).fetch_one(pool).await.unwrap();
        let shop = "WITH made AS (
                INSERT INTO organizations (name, uname, owner_id, created_at)
                VALUES ('Vendetta', $1, $2, now()) RETURNING id),
            members AS (
                INSERT INTO organization_members (organization_id, user_id, role, joined_at)
                SELECT made.id, m.user_id, m.role, now()
                FROM made, (VALUES ($2::bigint, 'owner'), ($3, 'member')) AS m(user_id, role))
            INSERT INTO organization_invitations
                (organization_id, phone, role, invited_by, created_at, expires_at)
            SELECT id, '+989350000001', 'member', $2, now(), now() + interval '14 days' FROM made
            RETURNING organization_id, id";
        let (organization, invitation) = sqlx::query_as(shop)
            .bind(format!("victimas_{}", unique()))
            .bind(person.id)
            .bind(member.id)
            .fetch_one(pool)
            .await
            .unwrap();
        let later = (SystemClock.now() + chrono::TimeDelta::hours(1)).to_rfc3339();
        let text = json!({"mobile_numbers": ["09350000002"], "message_text": "Victima's own",
            "send_at": later});
        let sent = person.post(peyk, "message/bulk/", &text).await;
        assert_eq!(sent.status, 202, "{sent:?}");
        let bulk = sent.json["bulk_id"].as_str().unwrap().to_owned();
        let message = "SELECT id FROM sms_messages WHERE user_id = $1";
        let message = sqlx::query_scalar(message).bind(person.id).fetch_one(pool).await.unwrap();
        let order = json!({"amount": 50000, "order_id": "A-1", "mobile": person.mobile});
        let payment = person.post(peyk, "payment/create/", &order).await;
        let payment = payment.json["id"].as_i64().expect("a payment begins");
        let (room, words) = room_of(peyk, organization, [person.id, member.id]).await;
        let told = "WITH event AS (
                INSERT INTO webhook_events (id, kind, subject, data, created_at)
                VALUES (repeat('a', 32), 'sms.sent', 'sms:1',
                    jsonb_build_object('receiver', $1::text), now()) RETURNING id)
            INSERT INTO webhook_deliveries (event_id, endpoint, subject, status, give_up_at)
            SELECT id, 'shop', 'sms:1', 'failed', now() FROM event RETURNING id";
        let told = sqlx::query_scalar(told).bind(&person.mobile);
        let webhook = told.fetch_one(pool).await.unwrap();
        let member = member.id;
        Self {
            person,
            member,
            session,
            organization,
            invitation,
            message,
            bulk,
            payment,
            room,
            words,
            webhook,
        }
    }

    /// The path with what it names being the victim's.
    fn named_in(&self, path: &str) -> String {
        let mut segments = path.split('/').skip(2);
        let id = match segments.next() {
            Some("admin") => match segments.next() {
                Some("payments") => self.payment,
                Some("messages") => self.message,
                Some("sessions") => self.session,
                Some("webhooks") => self.webhook,
                Some("organizations") => self.organization,
                Some("chat") => self.room,
                _ => self.person.id,
            },
            Some("payment") => self.payment,
            Some("organizations") => self.organization,
            Some("invitations") => self.invitation,
            Some("message") => self.message,
            Some("sessions") => self.session,
            Some("chat") if segments.next() == Some("messages") => self.words,
            Some("chat") => self.room,
            _ => 0,
        };
        let path = path
            .replace("{id}", &id.to_string())
            .replace("{invitation_id}", &self.invitation.to_string())
            .replace("{user_id}", &self.member.to_string())
            .replace("{level}", "1")
            .replace("{queue}", "sms")
            .replace("{name}", "sandbox")
            .replace("{job}", "purge-expired-otps")
            .replace("{bulk_id}", &self.bulk)
            .replace("{request_id}", "0123456789abcdef0123456789abcdef")
            .replace("{handle}", "0123456789abcdef0123456789abcdef");
        assert!(!path.contains('{'), "give the victim one of what {path} names");
        path
    }

    /// What nobody else may see.
    fn secrets(&self) -> [&str; 5] {
        [&self.person.mobile, "Victima", "victima@example.org", "09350000002", "pbkdf2_sha256"]
    }

    /// Everything that could be changed.
    async fn state(&self, peyk: &Peyk) -> Value {
        let state = "SELECT jsonb_build_array(
            (SELECT jsonb_agg(u ORDER BY id) FROM users u WHERE id IN ($1, $3)),
            (SELECT jsonb_agg(to_jsonb(s) - 'last_seen_at' - 'ip' ORDER BY id)
             FROM sessions s WHERE user_id IN ($1, $3)),
            (SELECT jsonb_agg(o ORDER BY id) FROM organizations o WHERE id = $2),
            (SELECT jsonb_agg(m ORDER BY user_id) FROM organization_members m
             WHERE organization_id = $2),
            (SELECT jsonb_agg(i ORDER BY id) FROM organization_invitations i
             WHERE organization_id = $2),
            (SELECT jsonb_agg(jsonb_build_array(id, user_id, status = 'cancelled') ORDER BY id)
             FROM sms_messages WHERE user_id = $1),
            (SELECT jsonb_agg(p ORDER BY id) FROM payments p WHERE user_id = $1),
            (SELECT jsonb_agg(w) FROM wallets w WHERE user_id IN ($1, $3)),
            (SELECT to_jsonb(r) FROM rooms r WHERE id = $4),
            (SELECT jsonb_agg(m ORDER BY user_id) FROM room_members m WHERE room_id = $4),
            (SELECT jsonb_agg(b ORDER BY user_id) FROM room_bans b WHERE room_id = $4),
            (SELECT jsonb_agg(e ORDER BY seq) FROM room_events e WHERE room_id = $4),
            (SELECT jsonb_agg(c ORDER BY seq) FROM chat_messages c WHERE room_id = $4),
            (SELECT jsonb_agg(p ORDER BY id) FROM message_reports p WHERE room_id = $4))";
        sqlx::query_scalar(state)
            .bind(self.person.id)
            .bind(self.organization)
            .bind(self.member)
            .bind(self.room)
            .fetch_one(&peyk.database.pool)
            .await
            .unwrap()
    }
}

/// A room of an organization, whose owner comes first, and something said in it.
async fn room_of(peyk: &Peyk, organization: i64, [owner, member]: [i64; 2]) -> (i64, i64) {
    let make = "WITH room AS (
            INSERT INTO rooms (organization_id, name, head, head_at, created_at)
            VALUES ($1, 'Victima''s room', 1, now(), now()) RETURNING id),
        seats AS (
            INSERT INTO room_members (room_id, user_id, organization_id, role, levels, joined_at)
            SELECT room.id, m.user_id, $1, m.role, 2, now()
            FROM room, (VALUES ($2::bigint, 'owner'), ($3, 'member')) AS m(user_id, role)),
        said AS (
            INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
            SELECT id, 1, $2, 'text', 'Victima''s words', 'victimas words', now() FROM room
            RETURNING id)
        SELECT room.id, said.id FROM room, said";
    let query = sqlx::query_as(make).bind(organization).bind(owner).bind(member);
    query.fetch_one(&peyk.database.pool).await.unwrap()
}

async fn may_text(peyk: &Peyk, person: Person) -> Person {
    for scope in ["sms:send", "sms:read"] {
        let (worked, output) =
            peyk.run("api", &["users", "grant", &person.id.to_string(), scope]).await;
        assert!(worked, "{output}");
    }
    person
}

async fn everybody_else(peyk: &Peyk) -> [Caller; 5] {
    let stranger = may_text(peyk, Person::new(peyk).await).await;
    let tenant = may_text(peyk, Person::new(peyk).await).await;
    let body = json!({"name": "Another", "uname": format!("another_{}", unique())});
    assert_eq!(tenant.post(peyk, "organizations/", &body).await.status, 201);
    let viewer = Person::new(peyk).await;
    viewer.join_staff(peyk, "viewer").await;
    [
        Caller::Anonymous,
        Caller::Stranger(stranger),
        Caller::OtherTenant(tenant),
        Caller::Viewer(viewer),
        Caller::OtherKey(bulk_steps::key(peyk).await),
    ]
}

/// One operation of the document.
struct Operation {
    id: String,
    method: Method,
    path: String,
    body: Option<Value>,
    /// What has to be in the query.
    query: Vec<(String, String)>,
    needs_login: bool,
    names_something: bool,
}

async fn operations(peyk: &Peyk) -> Vec<Operation> {
    let document = peyk.get("/openapi.json").await.json;
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array();
            all.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: path.clone(),
                body: example(&document, operation),
                query: required_query(operation),
                needs_login: security.is_some_and(|ways| !ways.is_empty()),
                names_something: path.contains('{'),
            });
        }
    }
    all.sort_by_key(|it| LAST.iter().position(|last| *last == it.id).map_or(0, |place| place + 1));
    all
}

/// What the document says has to be in the query, as it shows it.
fn required_query(operation: &Value) -> Vec<(String, String)> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let required = parameters.filter(|it| it["in"] == "query" && it["required"] == true);
    let shown = required.map(|it| {
        let example = &it["schema"]["example"];
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        (it["name"].as_str().unwrap().to_owned(), example)
    });
    shown.collect()
}

/// The body that the document shows, so that no refusal is one of the body.
fn example(document: &Value, operation: &Value) -> Option<Value> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    let schema = &document["components"]["schemas"][name];
    let of_fields = || {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields.map(|(name, field)| (name.clone(), field["example"].clone())).collect()
    };
    Some(schema.get("example").cloned().unwrap_or_else(of_fields))
}

async fn ask(peyk: &Peyk, caller: &Caller, operation: &Operation, victim: &Victim) -> Answer {
    let url = peyk.url(&victim.named_in(&operation.path));
    let request = peyk.client().request(operation.method.clone(), url);
    let request = request.header("Idempotency-Key", unique().to_string()).query(&operation.query);
    let request = signed(request, caller);
    peyk.send(operation.body.iter().fold(request, RequestBuilder::json)).await
}

fn signed(request: RequestBuilder, caller: &Caller) -> RequestBuilder {
    match caller {
        Caller::Anonymous => request,
        Caller::Stranger(person) | Caller::OtherTenant(person) | Caller::Viewer(person) => {
            request.bearer_auth(&person.token)
        }
        Caller::OtherKey(key) => request.header("X-API-Key", key),
    }
}

/// What the caller has to be answered; `None`: anything that shows and changes nothing.
fn expected(guard: Guard, caller: &Caller, operation: &Operation) -> Option<u16> {
    let is_viewer = matches!(caller, Caller::Viewer(_));
    match (guard, caller) {
        (Open, _) => None,
        // Whoever has no token may say which session with a refresh token.
        (Own, Caller::Anonymous | Caller::OtherKey(_)) if operation.id == "logOut" => None,
        (_, Caller::Anonymous) | (Console, _) => Some(401),
        (Key, Caller::OtherKey(_)) => Some(200),
        (Key | Shop, _) => Some(403),
        (Texts, _) if is_viewer => Some(403),
        (Texts, _) if operation.names_something => Some(404),
        (Texts | Own, _) if !matches!(caller, Caller::OtherKey(_)) || guard == Texts => None,
        (_, Caller::OtherKey(_)) => Some(401),
        (Theirs, _) => Some(404),
        (Viewers, _) if is_viewer => Some(200),
        (Viewers | Staff | Own | Texts, _) => Some(403),
    }
}

#[tokio::test]
async fn nobody_sees_or_changes_what_is_somebody_elses() {
    let peyk = patient().start().await;
    let victim = Victim::new(&peyk).await;
    let callers = everybody_else(&peyk).await;
    let before = victim.state(&peyk).await;
    for operation in operations(&peyk).await {
        let Some((_, guard)) = TABLE.iter().find(|(id, _)| *id == operation.id) else { continue };
        for caller in &callers {
            let by = format!("{} by {caller:?}", operation.id);
            let answer = ask(&peyk, caller, &operation, &victim).await;
            assert!(answer.status < 500, "{by}: {answer:?}");
            if let Some(expected) = expected(*guard, caller, &operation) {
                assert_eq!(answer.status, expected, "{by}: {answer:?}");
            }
            let shown = answer.json.to_string();
            for secret in victim.secrets() {
                assert!(!shown.contains(secret), "{by} shows {secret}: {shown}");
            }
            // What organizations are called is no secret of a person's: all staff may see it.
            let may_see = *guard == Viewers && matches!(caller, Caller::Viewer(_));
            assert!(may_see || !shown.contains("Vendetta"), "{by} shows an organization: {shown}");
            assert_eq!(victim.state(&peyk).await, before, "{by} changed something");
        }
    }
}

/// The operation with nothing right about it but who asks.
async fn ask_nonsense(peyk: &Peyk, caller: &Caller, operation: &Operation) -> Answer {
    let segments = operation.path.split('/');
    let segments = segments.map(|segment| if segment.starts_with('{') { "x" } else { segment });
    let url = peyk.url(&segments.collect::<Vec<_>>().join("/"));
    let request = peyk.client().request(operation.method.clone(), url);
    let request = request.query(&[("limit", "x")]).header("Content-Type", "application/json");
    peyk.send(signed(request.body("{"), caller)).await
}

#[tokio::test]
async fn who_may_not_is_told_so_whatever_is_wrong_with_the_request() {
    let peyk = patient().start().await;
    let callers = everybody_else(&peyk).await;
    let stale = Person::new(&peyk).await;
    stale.join_staff(&peyk, "admin").await;
    stale.grow_stale(&peyk).await;
    let stale = Caller::Viewer(stale);
    let (mut refused, mut unconfirmed) = (0, 0);
    for operation in operations(&peyk).await {
        let (_, guard) = TABLE.iter().find(|(id, _)| *id == operation.id).unwrap();
        if !matches!(guard, Staff | Viewers | Shop | Key | Texts) {
            continue;
        }
        for caller in &callers {
            let Some(status @ (401 | 403)) = expected(*guard, caller, &operation) else { continue };
            let answer = ask_nonsense(&peyk, caller, &operation).await;
            assert_eq!(answer.status, status, "{} by {caller:?}: {answer:?}", operation.id);
            refused += 1;
        }
        // What staff do about rooms, queues, providers, jobs and blocks can be undone, and a text is
        // nobody's account: none of that waits.
        let waits = ["chat", "messages", "webhooks", "blocks", "queues", "providers", "cron"]
            .iter()
            .all(|noun| !operation.path.contains(&format!("/admin/{noun}/")));
        if *guard == Staff && operation.method == Method::POST && waits {
            let answer = ask_nonsense(&peyk, &stale, &operation).await;
            assert_eq!(answer.json["code"], "confirmation_required", "{}", operation.id);
            unconfirmed += 1;
        }
    }
    assert!(refused > 90 && unconfirmed > 7, "{refused} and {unconfirmed} were tried");
}

#[tokio::test]
async fn every_operation_says_who_may_use_it() {
    let peyk = patient().workers(0).start().await;
    let operations = operations(&peyk).await;
    let documented: BTreeSet<_> = operations.iter().map(|it| it.id.as_str()).collect();
    let listed: BTreeSet<_> = TABLE.iter().map(|(id, _)| *id).collect();
    assert_eq!(listed.len(), TABLE.len(), "one is listed twice");
    assert_eq!(documented, listed, "the table of this file and the document");
    for operation in &operations {
        let (_, guard) = TABLE.iter().find(|(id, _)| *id == operation.id).unwrap();
        assert_eq!(*guard == Open, !operation.needs_login, "{}", operation.id);
        // What names something by its number is never about the caller alone.
        let is_random = ["getOtp", "getPaymentStatus"].contains(&operation.id.as_str());
        let may_name = matches!(guard, Theirs | Texts | Viewers | Staff | Shop) || is_random;
        assert!(!operation.names_something || may_name, "{}", operation.id);
    }
}
