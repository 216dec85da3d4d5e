//! Who may do what with rooms and the people in them: every operation, tried by everybody. And nothing
//! that is answered shows more of a person than their name.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    login_steps::patient,
    people::{Person, ask, unique},
};

/// Who tries: those with nothing to do with the room, and its members by what they are. Staff are of
/// the support.
const WHO: [&str; 9] = [
    "anonymous",
    "stranger",
    "other tenant",
    "staff",
    "banned",
    "reader",
    "member",
    "admin",
    "owner",
];

/// An operation of the document and what each of [`WHO`] is answered.
struct Row(&'static str, &'static str, &'static str, [u16; 9]);

/// Whoever belongs to the room may.
const MEMBERS: [u16; 9] = [401, 404, 404, 404, 403, 200, 200, 200, 200];
/// Whoever holds the level may; here admins hold all.
const ADMINS: [u16; 9] = [401, 404, 404, 404, 403, 403, 403, 200, 200];
/// Its owner may.
const OWNER: [u16; 9] = [401, 404, 404, 404, 403, 403, 403, 403, 200];
/// Whoever is logged in may, about their own.
const EVERYBODY: [u16; 9] = [401, 200, 200, 200, 200, 200, 200, 200, 200];
/// Staff may.
const STAFF: [u16; 9] = [401, 403, 403, 200, 403, 403, 403, 403, 403];

const TABLE: [Row; 35] = [
    Row("getChatRoot", "GET", "chat/", EVERYBODY),
    Row("listChatRooms", "GET", "chat/chatrooms/", EVERYBODY),
    // In the room's organization, to which four of them do not belong.
    Row("createChatRoom", "POST", "chat/chatrooms/", [401, 404, 404, 404, 201, 201, 201, 201, 201]),
    Row("getChatRoom", "GET", "chat/chatrooms/{room}/", MEMBERS),
    Row("updateChatRoom", "PATCH", "chat/chatrooms/{room}/", ADMINS),
    Row("replaceChatRoom", "PUT", "chat/chatrooms/{room}/", ADMINS),
    Row(
        "deleteChatRoom",
        "DELETE",
        "chat/chatrooms/{room}/",
        [401, 404, 404, 404, 403, 403, 403, 204, 204],
    ),
    Row("closeChatRoom", "POST", "chat/chatrooms/{room}/close/", ADMINS),
    Row("reopenChatRoom", "POST", "chat/chatrooms/{room}/reopen/", ADMINS),
    Row("pinChatRoom", "POST", "chat/chatrooms/{room}/pin/", MEMBERS),
    Row("unpinChatRoom", "DELETE", "chat/chatrooms/{room}/pin/", MEMBERS),
    Row("showChatPresence", "POST", "chat/chatrooms/{room}/presence/", MEMBERS),
    Row("hideChatPresence", "DELETE", "chat/chatrooms/{room}/presence/", MEMBERS),
    Row(
        "leaveChatRoom",
        "POST",
        "chat/chatrooms/{room}/leave/",
        [401, 404, 404, 404, 403, 200, 200, 200, 409],
    ),
    Row("transferChatRoom", "POST", "chat/chatrooms/{room}/transfer/", OWNER),
    Row("listChatRoomMembers", "GET", "chat/chatrooms/{room}/members/", MEMBERS),
    Row("addChatRoomMembers", "POST", "chat/chatrooms/{room}/members/", ADMINS),
    Row("removeChatRoomMember", "DELETE", "chat/chatrooms/{room}/members/{second}/", ADMINS),
    Row("muteChatRoomMember", "POST", "chat/chatrooms/{room}/members/{second}/mute/", ADMINS),
    Row("unmuteChatRoomMember", "DELETE", "chat/chatrooms/{room}/members/{second}/mute/", ADMINS),
    Row("listChatRoomBans", "GET", "chat/chatrooms/{room}/bans/", ADMINS),
    Row("banFromChatRoom", "POST", "chat/chatrooms/{room}/bans/", ADMINS),
    Row("unbanFromChatRoom", "DELETE", "chat/chatrooms/{room}/bans/{banned}/", ADMINS),
    Row("listChatRoomPermissions", "GET", "chat/chatrooms/{room}/permissions/", MEMBERS),
    Row("grantChatPermissions", "POST", "chat/chatrooms/{room}/permissions/", ADMINS),
    Row("revokeChatPermission", "DELETE", "chat/chatrooms/{room}/permissions/{second}/1/", ADMINS),
    Row("reportChatMessage", "POST", "chat/messages/{message}/report/", MEMBERS),
    Row("listChatBlocks", "GET", "chat/blocks/", EVERYBODY),
    Row("listChatReports", "GET", "admin/chat/reports/", STAFF),
    Row("settleChatReport", "POST", "admin/chat/reports/{report}/settle/", STAFF),
    Row("listStaffRooms", "GET", "admin/chat/rooms/", STAFF),
    Row("getStaffRoom", "GET", "admin/chat/rooms/{room}/", STAFF),
    Row("listStaffRoomMessages", "GET", "admin/chat/rooms/{room}/messages/", STAFF),
    Row("closeChatRoomAsStaff", "POST", "admin/chat/rooms/{room}/close/", STAFF),
    Row("reopenChatRoomAsStaff", "POST", "admin/chat/rooms/{room}/reopen/", STAFF),
];

/// What changes nothing of the room although it is done.
const HARMLESS: [&str; 3] = ["createChatRoom", "unpinChatRoom", "hideChatPresence"];

/// Room for as many changes as a test makes.
pub(super) fn roomy() -> PeykBuilder {
    patient().set("CHAT__RATE", "10000/1m").set("CHAT__DAILY_ROOMS", "10000")
}

/// A held room of an organization with one of everybody in it.
struct Fixture {
    organization: i64,
    room: i64,
    message: i64,
    report: i64,
    /// What it is called, and what was said in it.
    secret: String,
}

impl Fixture {
    /// `inside`: the banned one, the reader, the member, the admin, the owner, the second member and
    /// one who is in the organization alone.
    async fn new(peyk: &Peyk, inside: [i64; 7]) -> Self {
        let [banned, reader, member, admin, owner, second, _] = inside;
        let make = "WITH org AS (
                INSERT INTO organizations (name, uname, owner_id, created_at)
                VALUES ('Shop', $1, $2, now()) RETURNING id),
            placed AS (
                INSERT INTO organization_members (organization_id, user_id, role, joined_at)
                SELECT org.id, p, CASE WHEN p = $2 THEN 'owner' ELSE 'member' END, now()
                FROM org, unnest($3::bigint[]) AS p)
            SELECT id FROM org";
        let organization = sqlx::query_scalar(make)
            .bind(format!("chat_{}_{}", std::process::id(), unique()))
            .bind(owner)
            .bind(inside.to_vec())
            .fetch_one(&peyk.database.pool)
            .await
            .unwrap();
        let make = "WITH room AS (
                INSERT INTO rooms (organization_id, name, status, head, head_at, created_at)
                VALUES ($1, $8, 3, 1, now(), now()) RETURNING id),
            seats AS (
                INSERT INTO room_members
                    (room_id, user_id, organization_id, role, levels, joined_at)
                SELECT room.id, m.user_id, $1, m.role, m.levels, now() FROM room,
                    (VALUES ($3::bigint, 'member', 3), ($4, 'member', 2), ($5, 'member', 8190),
                            ($6, 'owner', 8190), ($7, 'member', 2)) AS m(user_id, role, levels)),
            bans AS (
                INSERT INTO room_bans (room_id, user_id, banned_by, reason, created_at)
                SELECT id, $2, $6, 'spam', now() FROM room),
            said AS (
                INSERT INTO chat_messages
                    (room_id, seq, sender_id, type, text, folded, created_at)
                SELECT id, 1, $7, 'text', $8, $8, now() FROM room
                RETURNING id, room_id),
            reported AS (
                INSERT INTO message_reports (room_id, message_id, reporter_id, reason, created_at)
                SELECT room_id, id, $2, 'spam', now() FROM said RETURNING id)
            SELECT room.id, said.id, reported.id FROM room, said, reported";
        let secret = format!("sesame {}", unique());
        let (room, message, report) = sqlx::query_as(make)
            .bind(organization)
            .bind(banned)
            .bind(reader)
            .bind(member)
            .bind(admin)
            .bind(owner)
            .bind(second)
            .bind(&secret)
            .fetch_one(&peyk.database.pool)
            .await
            .unwrap();
        Self { organization, room, message, report, secret }
    }

    async fn close_as_staff(&self, peyk: &Peyk) {
        let close = "UPDATE rooms SET status = 2, closed_by_staff = true WHERE id = $1";
        sqlx::query(close).bind(self.room).execute(&peyk.database.pool).await.unwrap();
    }

    /// Everything the database has of the room.
    async fn snapshot(&self, peyk: &Peyk) -> Value {
        let all = "SELECT jsonb_build_array(
            (SELECT to_jsonb(r) FROM rooms r WHERE id = $1),
            (SELECT jsonb_agg(m ORDER BY user_id) FROM room_members m WHERE room_id = $1),
            (SELECT jsonb_agg(b ORDER BY user_id) FROM room_bans b WHERE room_id = $1),
            (SELECT jsonb_agg(e ORDER BY seq) FROM room_events e WHERE room_id = $1),
            (SELECT jsonb_agg(c ORDER BY id) FROM chat_messages c WHERE room_id = $1),
            (SELECT jsonb_agg(p ORDER BY id) FROM message_reports p WHERE room_id = $1))";
        sqlx::query_scalar(all).bind(self.room).fetch_one(&peyk.database.pool).await.unwrap()
    }

    fn body(&self, operation: &str, second: i64, newcomer: i64) -> Option<Value> {
        Some(match operation {
            "createChatRoom" => json!({"user_id": newcomer, "organization": self.organization}),
            "updateChatRoom" | "replaceChatRoom" => json!({"name": "Renamed"}),
            "addChatRoomMembers" => json!({"users": [newcomer]}),
            "muteChatRoomMember" => json!({"seconds": 60}),
            "transferChatRoom" | "banFromChatRoom" => json!({"user_id": second}),
            "grantChatPermissions" => json!({"user_id": second, "access": [2]}),
            "reportChatMessage" => json!({"reason": "abuse"}),
            "settleChatReport" => json!({"outcome": "removed"}),
            _ => return None,
        })
    }
}

/// Fails if an answer has more of people than their names: a member called like something private,
/// or somebody else's number.
pub(super) fn assert_private(answer: &Answer, viewer: Option<&Person>, people: &[Person]) {
    const PRIVATE: [&str; 9] = [
        "password",
        "email",
        "phone",
        "mobile",
        "is_staff",
        "is_superuser",
        "last_login",
        "date_joined",
        "groups",
    ];
    fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    found.push(name);
                    names(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    names(&answer.json, &mut found);
    for name in found {
        assert!(!PRIVATE.iter().any(|word| name.contains(word)), "{name} in {answer:?}");
    }
    let shown = answer.json.to_string();
    for person in people.iter().filter(|person| viewer.is_none_or(|it| it.id != person.id)) {
        let number = person.mobile.trim_start_matches('0');
        assert!(!shown.contains(number), "the number of {} in {answer:?}", person.id);
    }
}

#[tokio::test]
async fn every_room_operation_is_open_to_whom_the_table_says_and_to_nobody_else() {
    let peyk = roomy().start().await;
    let mut people = Vec::new();
    for _ in 0..10 {
        people.push(Person::new(&peyk).await);
    }
    people[2].join_staff(&peyk, "support").await;
    let callers: Vec<_> = std::iter::once(None).chain(people[..8].iter().map(Some)).collect();
    let inside: Vec<_> = people[3..].iter().map(|person| person.id).collect();
    let inside: [i64; 7] = inside.try_into().unwrap();
    let (second, newcomer, banned) = (people[8].id, people[9].id, people[3].id);
    // The other tenant has a room of their own organization.
    let other = [people[3].id, people[4].id, people[5].id, people[6].id, people[1].id];
    let [owner, admin, member, muted, guest] = other;
    Fixture::new(&peyk, [owner, admin, member, muted, guest, second, newcomer]).await;
    for row in &TABLE {
        for (place, caller) in callers.iter().enumerate() {
            let fixture = Fixture::new(&peyk, inside).await;
            let path = row
                .2
                .replace("{room}", &fixture.room.to_string())
                .replace("{message}", &fixture.message.to_string())
                .replace("{report}", &fixture.report.to_string())
                .replace("{second}", &second.to_string())
                .replace("{banned}", &banned.to_string());
            if row.0 == "reopenChatRoomAsStaff" {
                fixture.close_as_staff(&peyk).await;
            }
            let before = fixture.snapshot(&peyk).await;
            let method = Method::from_bytes(row.1.as_bytes()).unwrap();
            let token = caller.map(|person| person.token.as_str());
            let body = fixture.body(row.0, second, newcomer);
            let answer = ask(&peyk, 0, method, &path, token, body.as_ref()).await;
            let case = format!("{} by {}", row.0, WHO[place]);
            assert_eq!(answer.status, row.3[place], "{case}: {answer:?}");
            assert_private(&answer, *caller, &people);
            let stays =
                !(200..300).contains(&answer.status) || row.1 == "GET" || HARMLESS.contains(&row.0);
            assert_eq!(before == fixture.snapshot(&peyk).await, stays, "{case}");
            let is_inside = (5..=8).contains(&place);
            if !is_inside && WHO[place] != "staff" {
                let shown = answer.json.to_string();
                assert!(!shown.contains(&fixture.secret), "{case}");
            }
        }
    }
}
