//! Who may do what, and that an organization is not there for everybody else: every operation of the
//! document, tried by everybody.

use peyk_tests::harness::fresh_mobile;
use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{fresh_uname, invite, make, roomy, snapshot};
use crate::people::{Person, ask, documented};

/// Who tries: somebody without a token, somebody with nothing to do with the organization, whoever is
/// invited to it, its members, the owner of another one, an admin of the installation.
const WHO: [&str; 8] =
    ["anonymous", "stranger", "invited", "member", "admin", "owner", "other owner", "staff"];

/// An operation of the document and what each of [`WHO`] is answered.
struct Row(&'static str, &'static str, &'static str, [u16; 8]);

/// For those who run the organization; members may not, to others it is not there.
const ADMINS: [u16; 8] = [401, 404, 404, 403, 200, 200, 404, 404];
/// For its owner.
const OWNER: [u16; 8] = [401, 404, 404, 403, 403, 200, 404, 404];
/// For its members.
const MEMBERS: [u16; 8] = [401, 404, 404, 200, 200, 200, 404, 404];
/// For everybody who is logged in, about their own.
const EVERYBODY: [u16; 8] = [401, 200, 200, 200, 200, 200, 200, 200];
/// For whoever is invited.
const INVITED: [u16; 8] = [401, 404, 200, 404, 404, 404, 404, 404];

const TABLE: [Row; 15] = [
    Row("listOrganizations", "GET", "", EVERYBODY),
    Row("createOrganization", "POST", "", [401, 201, 201, 201, 201, 201, 201, 201]),
    Row("getOrganization", "GET", "{id}/", MEMBERS),
    Row("updateOrganization", "PATCH", "{id}/", ADMINS),
    Row("deleteOrganization", "DELETE", "{id}/", OWNER),
    Row("transferOrganization", "POST", "{id}/transfer/", OWNER),
    Row("listOrganizationMembers", "GET", "{id}/members/", MEMBERS),
    Row("updateOrganizationMember", "PATCH", "{id}/members/{user_id}/", ADMINS),
    Row("removeOrganizationMember", "DELETE", "{id}/members/{user_id}/", ADMINS),
    Row("listOrganizationInvitations", "GET", "{id}/invitations/", ADMINS),
    Row(
        "inviteOrganizationMember",
        "POST",
        "{id}/invitations/",
        [401, 404, 404, 403, 201, 201, 404, 404],
    ),
    Row("withdrawOrganizationInvitation", "DELETE", "{id}/invitations/{invitation_id}/", ADMINS),
    Row("listMyInvitations", "GET", "/invitations/", EVERYBODY),
    Row("acceptInvitation", "POST", "/invitations/{id}/accept/", INVITED),
    Row("declineInvitation", "POST", "/invitations/{id}/decline/", INVITED),
];

impl Row {
    /// Its path in the document.
    fn path(&self) -> String {
        let below = |path: &str| format!("/api/organizations/{path}");
        self.2.strip_prefix('/').map_or_else(|| below(self.2), |path| format!("/api/{path}"))
    }

    /// What is sent with it.
    fn body(&self, member: &Person) -> Option<Value> {
        Some(match self.0 {
            "createOrganization" => json!({"name": "New", "uname": fresh_uname()}),
            "updateOrganization" => json!({"name": "Renamed"}),
            "transferOrganization" => json!({"user_id": member.id}),
            "updateOrganizationMember" => json!({"role": "admin"}),
            "inviteOrganizationMember" => json!({"mobile_number": fresh_mobile()}),
            _ => return None,
        })
    }
}

#[tokio::test]
async fn every_operation_is_open_to_whom_the_table_says_and_to_nobody_else() {
    let peyk = roomy().start().await;
    let mut people = Vec::new();
    for _ in 0..8 {
        people.push(Person::new(&peyk).await);
    }
    let [stranger, invited, member, admin, owner, other_owner, staff, second] = &people[..] else {
        panic!("eight people")
    };
    staff.join_staff(&peyk, "admin").await;
    make(&peyk, other_owner, &[]).await;
    let who = [
        None,
        Some(stranger),
        Some(invited),
        Some(member),
        Some(admin),
        Some(owner),
        Some(other_owner),
        Some(staff),
    ];
    let mut listed: Vec<_> =
        TABLE.iter().map(|row| format!("{} {} {}", row.0, row.1, row.path())).collect();
    listed.sort();
    assert_eq!(documented(&peyk, "Organizations").await, listed, "operations are missing here");
    for row in &TABLE {
        for (i, caller) in who.iter().enumerate() {
            let others = [(admin, "admin"), (member, "member"), (second, "member")];
            let id = make(&peyk, owner, &others).await;
            let invitation = invite(&peyk, id, owner, invited).await;
            let of_invitee = row.2.starts_with("/invitations/");
            let path = row
                .path()
                .replace("{id}", &(if of_invitee { invitation } else { id }).to_string())
                .replace("{user_id}", &second.id.to_string())
                .replace("{invitation_id}", &invitation.to_string());
            let before = snapshot(&peyk, id).await;
            let method = Method::from_bytes(row.1.as_bytes()).unwrap();
            let token = caller.map(|person| person.token.as_str());
            let path = path.strip_prefix("/api/").unwrap();
            let answer = ask(&peyk, 0, method, path, token, row.body(second).as_ref()).await;
            let case = format!("{} by {}", row.0, WHO[i]);
            assert_eq!(answer.status, row.3[i], "{case}: {answer:?}");
            let after = snapshot(&peyk, id).await;
            let untouched = !(200..300).contains(&answer.status)
                || row.1 == "GET"
                || row.0 == "createOrganization";
            assert_eq!(before == after, untouched, "{case}");
            if row.0 == "listOrganizations" && answer.status == 200 {
                let ids = crate::people::column(&answer, "id");
                let belongs = (3..=5).contains(&i);
                assert_eq!(ids.contains(&&json!(id)), belongs, "{case}");
            }
            if row.0 == "listMyInvitations" && answer.status == 200 {
                let ids = crate::people::column(&answer, "id");
                assert_eq!(ids.contains(&&json!(invitation)), WHO[i] == "invited", "{case}");
            }
        }
    }
}

/// The other organization's owner cannot reach in through their own either.
#[tokio::test]
async fn what_belongs_to_one_organization_is_not_reached_through_another() {
    let peyk = roomy().start().await;
    let (owner, other, guest) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let victim = make(&peyk, &owner, &[(&guest, "member")]).await;
    let invitation = invite(&peyk, victim, &owner, &other).await;
    let own = make(&peyk, &other, &[]).await;
    let before = snapshot(&peyk, victim).await;
    let through = |rest: String| format!("organizations/{own}/{rest}/");
    for (method, path, body) in [
        (Method::DELETE, through(format!("invitations/{invitation}")), None),
        (Method::DELETE, through(format!("members/{}", guest.id)), None),
        (Method::PATCH, through(format!("members/{}", guest.id)), Some(json!({"role": "admin"}))),
    ] {
        let answer = other.ask(&peyk, method, &path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    let path = through("transfer".to_owned());
    let answer = other.post(&peyk, &path, &json!({"user_id": guest.id})).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(snapshot(&peyk, victim).await, before);
}
