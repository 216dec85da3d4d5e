//! What these tests do again and again.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    login_steps::patient,
    people::{Person, unique},
};

/// Room for as many organizations as a test makes.
pub(super) fn roomy() -> PeykBuilder {
    patient()
        .set("ORGANIZATIONS__OWNED_PER_USER", "1000")
        .set("ORGANIZATIONS__MEMBERSHIPS_PER_USER", "1000")
        .set("ORGANIZATIONS__DAILY_INVITATIONS", "1000")
}

/// A uname nobody has.
pub(super) fn fresh_uname() -> String {
    format!("org_{}_{}", std::process::id(), unique())
}

/// An organization in the database: its owner first, then others with their roles.
pub(super) async fn make(peyk: &Peyk, owner: &Person, others: &[(&Person, &str)]) -> i64 {
    let (ids, roles): (Vec<_>, Vec<_>) = std::iter::once((owner.id, "owner"))
        .chain(others.iter().map(|(person, role)| (person.id, *role)))
        .unzip();
    let make = "WITH made AS (
            INSERT INTO organizations (name, uname, owner_id, created_at)
            VALUES ('Shop', $1, $2, now()) RETURNING id),
        members AS (
            INSERT INTO organization_members (organization_id, user_id, role, joined_at)
            SELECT made.id, m.user_id, m.role, now()
            FROM made, unnest($3::bigint[], $4::text[]) AS m(user_id, role))
        SELECT id FROM made";
    sqlx::query_scalar(make)
        .bind(fresh_uname())
        .bind(owner.id)
        .bind(ids)
        .bind(roles)
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap()
}

/// An open invitation in the database.
pub(super) async fn invite(peyk: &Peyk, organization: i64, by: &Person, whom: &Person) -> i64 {
    let invite = "INSERT INTO organization_invitations
            (organization_id, phone, role, invited_by, created_at, expires_at)
        SELECT $1, phone, 'member', $2, now(), now() + interval '14 days'
        FROM users WHERE id = $3 RETURNING id";
    sqlx::query_scalar(invite)
        .bind(organization)
        .bind(by.id)
        .bind(whom.id)
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap()
}

/// Asks a number to join, as `by` does it.
pub(super) async fn ask_to_join(peyk: &Peyk, by: &Person, id: i64, mobile: &str) -> Answer {
    by.post(peyk, &format!("organizations/{id}/invitations/"), &json!({"mobile_number": mobile}))
        .await
}

/// What somebody is in an organization, read from the database.
pub(super) async fn role(peyk: &Peyk, organization: i64, person: &Person) -> Option<String> {
    let role = "SELECT role FROM organization_members
        WHERE organization_id = $1 AND user_id = $2";
    sqlx::query_scalar(role)
        .bind(organization)
        .bind(person.id)
        .fetch_optional(&peyk.database.pool)
        .await
        .unwrap()
}

/// Changes what a member is.
pub(super) async fn set_role(
    peyk: &Peyk,
    by: &Person,
    organization: i64,
    member: &Person,
    role: &str,
) -> Answer {
    let path = format!("organizations/{organization}/members/{}/", member.id);
    by.ask(peyk, Method::PATCH, &path, Some(&json!({ "role": role }))).await
}

/// Puts a member out.
pub(super) async fn remove(peyk: &Peyk, by: &Person, organization: i64, member: &Person) -> Answer {
    let path = format!("organizations/{organization}/members/{}/", member.id);
    by.ask(peyk, Method::DELETE, &path, None).await
}

/// What the audit log has of an organization, oldest first: `actor action`.
pub(super) async fn audited(peyk: &Peyk, organization: i64) -> Vec<String> {
    let events = "SELECT coalesce(actor_user_id::text, actor) || ' ' || action FROM audit_events
        WHERE subject = 'organization' AND subject_id = $1 ORDER BY id";
    sqlx::query_scalar(events).bind(organization).fetch_all(&peyk.database.pool).await.unwrap()
}

/// The status and code of a refusal.
pub(super) fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

/// Everything the database has of an organization, as one value.
pub(super) async fn snapshot(peyk: &Peyk, organization: i64) -> Value {
    let all = "SELECT jsonb_build_array(
        (SELECT to_jsonb(o) FROM organizations o WHERE id = $1),
        (SELECT jsonb_agg(m ORDER BY user_id) FROM organization_members m
         WHERE organization_id = $1),
        (SELECT jsonb_agg(i ORDER BY id) FROM organization_invitations i
         WHERE organization_id = $1))";
    sqlx::query_scalar(all).bind(organization).fetch_one(&peyk.database.pool).await.unwrap()
}
