//! Asking numbers to join.

use std::collections::BTreeSet;

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{ask_to_join, audited, invite, make, refusal, role, roomy};
use crate::{
    cron_purges::purge,
    login_steps::{count, header, patient, text},
    people::{Person, column},
};

const INVITATIONS: &str = "invitations/";

async fn answer(peyk: &Peyk, person: &Person, invitation: &Value, word: &str) -> (u16, Value) {
    let path = format!("{INVITATIONS}{invitation}/{word}/");
    let answer = person.ask(peyk, Method::POST, &path, None).await;
    (answer.status, answer.json)
}

#[tokio::test]
async fn a_number_nobody_knows_is_invited_and_joins_when_it_logs_in() {
    let peyk = roomy().start().await;
    let (owner, mobile) = (Person::new(&peyk).await, fresh_mobile());
    let id = make(&peyk, &owner, &[]).await;
    let body = json!({"mobile_number": mobile, "role": "admin"});
    let invited = owner.post(&peyk, &format!("organizations/{id}/invitations/"), &body).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    assert_eq!(
        (text(&invited, "mobile_number"), text(&invited, "status")),
        (mobile.clone(), "open".to_owned())
    );

    let guest = Person::with(&peyk, &mobile).await;
    let mine = guest.get(&peyk, INVITATIONS).await;
    assert_eq!(column(&mine, "id"), [&invited.json["id"]]);
    assert_eq!(column(&mine, "organization"), [&json!(id)]);
    let (status, joined) = answer(&peyk, &guest, &invited.json["id"], "accept").await;
    assert_eq!((status, &joined["id"], &joined["role"]), (200, &json!(id), &json!("admin")));
    assert_eq!(role(&peyk, id, &guest).await.as_deref(), Some("admin"));
    assert_eq!(column(&guest.get(&peyk, INVITATIONS).await, "id").len(), 0);
    // Once more says the same; no is too late.
    assert_eq!(answer(&peyk, &guest, &invited.json["id"], "accept").await, (200, joined));
    assert_eq!(answer(&peyk, &guest, &invited.json["id"], "decline").await.0, 404);
    let path = format!("organizations/{id}/invitations/{}/", invited.json["id"]);
    let late = owner.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!(refusal(&late), (409, "conflict"));
    let events =
        [format!("{} organization.invited", owner.id), format!("{} organization.joined", guest.id)];
    assert_eq!(audited(&peyk, id).await, events);
}

/// 6.3.8: nobody learns by inviting who has an account, and who belongs to the organization.
#[tokio::test]
async fn inviting_is_answered_alike_for_known_and_unknown_numbers_and_members() {
    let peyk = roomy().start().await;
    let (owner, known, member) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[(&member, "member")]).await;
    let shape = |answer: &peyk_tests::harness::Answer| {
        let mut body = answer.json.clone();
        for own in ["id", "mobile_number", "created_at", "expires_at"] {
            body[own] = Value::Null;
        }
        let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.status, body, headers)
    };
    let unknown = ask_to_join(&peyk, &owner, id, &fresh_mobile()).await;
    for mobile in [&known.mobile, &member.mobile] {
        assert_eq!(shape(&ask_to_join(&peyk, &owner, id, mobile).await), shape(&unknown));
    }
    // Accepting what one has already changes nothing.
    let mine = member.get(&peyk, INVITATIONS).await;
    let (status, joined) = answer(&peyk, &member, column(&mine, "id")[0], "accept").await;
    assert_eq!((status, &joined["role"]), (200, &json!("member")));
}

#[tokio::test]
async fn a_number_has_one_open_invitation_until_it_is_answered_withdrawn_or_expired() {
    let peyk = roomy().start().await;
    let (owner, guest) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[]).await;
    let again = async || ask_to_join(&peyk, &owner, id, &guest.mobile).await;
    let first = again().await;
    assert_eq!(refusal(&again().await), (409, "already_invited"));
    assert_eq!(answer(&peyk, &guest, &first.json["id"], "decline").await.0, 200);
    assert_eq!(answer(&peyk, &guest, &first.json["id"], "accept").await.0, 404);

    let second = again().await;
    let path = format!("organizations/{id}/invitations/{}/", second.json["id"]);
    assert_eq!(owner.ask(&peyk, Method::DELETE, &path, None).await.status, 200);
    assert_eq!(answer(&peyk, &guest, &second.json["id"], "accept").await.0, 404);

    let third = again().await;
    assert_eq!(third.status, 201, "{third:?}");
    let fortnight = "SELECT count(*) FROM organization_invitations
        WHERE status = 'open' AND expires_at = created_at + interval '14 days'";
    assert_eq!(peyk.database.count(fortnight).await, 1);
    peyk.database
        .execute("UPDATE organization_invitations SET expires_at = now() WHERE status = 'open'")
        .await;
    assert_eq!(column(&guest.get(&peyk, INVITATIONS).await, "id").len(), 0);
    assert_eq!(answer(&peyk, &guest, &third.json["id"], "accept").await.0, 404);
    assert_eq!(answer(&peyk, &guest, &third.json["id"], "decline").await.0, 404);
    let list = owner.get(&peyk, &format!("organizations/{id}/invitations/")).await;
    assert_eq!(column(&list, "status"), ["expired", "withdrawn", "declined"]);

    let fourth = again().await;
    assert_eq!(answer(&peyk, &guest, &fourth.json["id"], "accept").await.0, 200);
    let path = format!("organizations/{id}/members/{}/", guest.id);
    assert_eq!(owner.ask(&peyk, Method::DELETE, &path, None).await.status, 200);
    // Whoever was put out does not come back with what they accepted once.
    assert_eq!(answer(&peyk, &guest, &fourth.json["id"], "accept").await.0, 404);
    assert_eq!(role(&peyk, id, &guest).await, None);
}

#[tokio::test]
async fn an_invitation_is_for_whoever_has_the_number_now() {
    let peyk = roomy().start().await;
    let (owner, guest) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[]).await;
    let invitation = json!(invite(&peyk, id, &owner, &guest).await);
    let number = "UPDATE users SET phone = NULL WHERE id = $1";
    sqlx::query(number).bind(guest.id).execute(&peyk.database.pool).await.unwrap();
    assert_eq!(column(&guest.get(&peyk, INVITATIONS).await, "id").len(), 0);
    assert_eq!(answer(&peyk, &guest, &invitation, "accept").await.0, 404);
    let heir = Person::with(&peyk, &guest.mobile).await;
    assert_ne!(heir.id, guest.id);
    assert_eq!(answer(&peyk, &heir, &invitation, "accept").await.0, 200);
}

#[tokio::test]
async fn an_invited_number_is_texted_as_often_as_is_decent() {
    let peyk =
        roomy().set("ORGANIZATIONS__INVITATION_TEXT", "You are invited to {uname}.").start().await;
    let (owner, mobile) = (Person::new(&peyk).await, fresh_mobile());
    let name = "UPDATE organizations SET name = 'click https://evil.example'";
    let texts = "SELECT count(*) FROM sms_messages WHERE kind = 'text'";
    for round in 1..=5 {
        let id = make(&peyk, &owner, &[]).await;
        peyk.database.execute(name).await;
        assert_eq!(ask_to_join(&peyk, &owner, id, &mobile).await.status, 201);
        assert_eq!(count(&peyk, texts).await, round.min(3));
    }
    let said: Vec<String> = sqlx::query_scalar("SELECT body FROM sms_messages WHERE kind = 'text'")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    assert!(said.iter().all(|text| text.starts_with("You are invited to org_")), "{said:?}");
    wait_for("the texts to go out", || async {
        let sent = "SELECT count(*) FROM sms_messages WHERE kind = 'text' AND status = 'sent'";
        (count(&peyk, sent).await == 3).then_some(())
    })
    .await;
    let counted = "SELECT sum(used)::bigint FROM send_counters WHERE scope = 'messages'";
    assert_eq!(count(&peyk, counted).await, 3, "the cap of the day counts them");
    let named = "SELECT count(*) FROM send_counters WHERE scope LIKE 'invited:%'
        AND scope !~ '^invited:[0-9a-f]{24}$'";
    assert_eq!(count(&peyk, named).await, 0, "counters do not say whose number it is");
}

#[tokio::test]
async fn a_text_that_may_not_go_out_is_no_reason_not_to_invite() {
    let peyk = roomy()
        .set("ORGANIZATIONS__INVITATION_TEXT", "{uname}")
        .set("LIMITS__DAILY_MESSAGES", "1")
        .start()
        .await;
    let owner = Person::new(&peyk).await;
    let id = make(&peyk, &owner, &[]).await;
    peyk.database
        .execute("INSERT INTO sms_blocklist (phone, reason) VALUES ('+989121110000', 'stop')")
        .await;
    let texts = "SELECT count(*) FROM sms_messages WHERE kind = 'text'";
    for (mobile, sent) in [("09121110000", 0), ("09121110009", 1), ("09121110008", 1)] {
        assert_eq!(ask_to_join(&peyk, &owner, id, mobile).await.status, 201);
        assert_eq!(count(&peyk, texts).await, sent, "{mobile}");
    }
}

#[tokio::test]
async fn somebody_invites_so_many_a_day_and_an_organization_has_so_many_open() {
    let peyk = patient()
        .set("ORGANIZATIONS__DAILY_INVITATIONS", "3")
        .set("ORGANIZATIONS__OPEN_INVITATIONS", "2")
        .start()
        .await;
    let owner = Person::new(&peyk).await;
    let (id, other) = (make(&peyk, &owner, &[]).await, make(&peyk, &owner, &[]).await);
    for _ in 0..2 {
        assert_eq!(ask_to_join(&peyk, &owner, id, &fresh_mobile()).await.status, 201);
    }
    let full = ask_to_join(&peyk, &owner, id, &fresh_mobile()).await;
    assert_eq!(refusal(&full), (409, "limit_reached"));
    assert_eq!(ask_to_join(&peyk, &owner, other, &fresh_mobile()).await.status, 201);
    let enough = ask_to_join(&peyk, &owner, other, &fresh_mobile()).await;
    assert_eq!(refusal(&enough), (429, "daily_invitation_limit"));
    assert!(header(&enough, "retry-after").is_some());
    assert_eq!(count(&peyk, "SELECT count(*) FROM organization_invitations").await, 3);
}

#[tokio::test]
async fn the_purge_takes_invitations_that_ended_a_month_ago() {
    let peyk = super::super::cron::idle().await;
    peyk.database
        .execute(
            "INSERT INTO users (username, created_at) VALUES ('o', now());
             WITH made AS (INSERT INTO organizations (name, uname, owner_id, created_at)
                 SELECT 'x', 'xxx', id, now() FROM users RETURNING id, owner_id)
             INSERT INTO organization_members
                 SELECT id, owner_id, 'owner', now() FROM made;
             INSERT INTO organization_invitations (organization_id, phone, role, invited_by, status,
                 created_at, expires_at, settled_at)
             SELECT o.id, '+98912' || 1000000 + n, 'member', o.owner_id,
                 CASE WHEN n <= 600 THEN 'declined' ELSE 'open' END, now() - interval '60 days',
                 CASE WHEN n <= 600 THEN now() ELSE now() - interval '30 days 1 minute' END,
                 CASE WHEN n <= 600 THEN now() - interval '30 days 1 minute' END
             FROM organizations o, generate_series(1, 1200) n
             UNION ALL
             SELECT o.id, '+98935' || 1000000 + n, 'member', o.owner_id, 'open', now(),
                 now() - interval '29 days', NULL
             FROM organizations o, generate_series(1, 3) n",
        )
        .await;
    let rows = "SELECT count(*) FROM organization_invitations";
    purge(&peyk, "purge-ended-invitations", rows, 1_200).await;
    assert_eq!(peyk.database.count(rows).await, 3);
}
