//! Every operation for staff, tried by everybody.

use reqwest::Method;

use crate::{
    login_steps::patient,
    people::{Person, ask, documented},
};

/// Who tries: nobody, somebody who is no staff, the four roles.
const WHO: [&str; 6] = ["anonymous", "user", "viewer", "support", "finance", "admin"];

const ALL: [u16; 6] = [401, 403, 200, 200, 200, 200];
/// The same, and there is nothing of that number.
const ALL_MISS: [u16; 6] = [401, 403, 404, 404, 404, 404];
const ADMIN: [u16; 6] = [401, 403, 403, 403, 403, 200];

/// For those who help people.
const HELPERS: [u16; 6] = [401, 403, 403, 200, 403, 200];

/// The same, and there is nothing of that number.
const HELPERS_MISS: [u16; 6] = [401, 403, 403, 404, 403, 404];

/// The same, and the message is a code's that was sent.
const HELPERS_CONFLICT: [u16; 6] = [401, 403, 403, 409, 403, 409];

/// What is asked for is read before the role.
const UNSAID: [u16; 6] = [401, 403, 403, 403, 400, 400];

/// Neither tokens nor keys open it.
const COOKIE: [u16; 6] = [401; 6];

/// Only admins run things; what is asked for is read first.
const ADMIN_UNSAID: [u16; 6] = [401, 403, 403, 403, 403, 400];
const BLOCKERS_UNSAID: [u16; 6] = [401, 403, 403, 400, 403, 400];

const TABLE: [(&str, &str, &str, [u16; 6]); 63] = [
    ("addBlock", "POST", "/api/admin/blocks/", BLOCKERS_UNSAID),
    ("adjustWallet", "POST", "/api/admin/wallets/{user_id}/adjust/", UNSAID),
    ("beginConsoleSession", "POST", "/api/admin/session/", [400; 6]),
    ("cancelStaffMessage", "POST", "/api/admin/messages/{id}/cancel/", HELPERS_CONFLICT),
    ("closeChatRoomAsStaff", "POST", "/api/admin/chat/rooms/{id}/close/", HELPERS_MISS),
    ("createApiKey", "POST", "/api/admin/api_keys/", [401, 403, 403, 403, 403, 400]),
    ("disableUser", "POST", "/api/admin/users/{id}/disable/", ADMIN),
    ("editUser", "PATCH", "/api/admin/users/{id}/", HELPERS),
    ("enableUser", "POST", "/api/admin/users/{id}/enable/", ADMIN),
    ("endConsoleSession", "DELETE", "/api/admin/session/", COOKIE),
    ("eraseUser", "POST", "/api/admin/users/{id}/erase/", [401, 403, 403, 403, 403, 404]),
    ("getConsoleSession", "GET", "/api/admin/session/", COOKIE),
    ("getOverview", "GET", "/api/admin/overview/", ALL),
    ("getStaffMessage", "GET", "/api/admin/messages/{id}/", ALL),
    ("getStaffOrganization", "GET", "/api/admin/organizations/{id}/", ALL_MISS),
    ("getStaffPayment", "GET", "/api/admin/payments/{id}/", ALL),
    ("getStaffRoom", "GET", "/api/admin/chat/rooms/{id}/", HELPERS_MISS),
    ("getStaffWebhook", "GET", "/api/admin/webhooks/{id}/", ALL_MISS),
    ("getTimeline", "GET", "/api/admin/timeline/", [401, 403, 400, 400, 400, 400]),
    ("getUser", "GET", "/api/admin/users/{id}/", ALL),
    ("getUserWallet", "GET", "/api/admin/wallets/{user_id}/", ALL),
    ("giveUpQueueRows", "POST", "/api/admin/queues/{queue}/give_up/", ADMIN_UNSAID),
    ("giveUpStaffMessage", "POST", "/api/admin/messages/{id}/give_up/", HELPERS_CONFLICT),
    ("giveUpStaffWebhook", "POST", "/api/admin/webhooks/{id}/give_up/", HELPERS_MISS),
    ("listApiKeys", "GET", "/api/admin/api_keys/", ADMIN),
    ("listAuditEvents", "GET", "/api/admin/audit/", ADMIN),
    ("listBlocks", "GET", "/api/admin/blocks/", ALL),
    ("listChatReports", "GET", "/api/admin/chat/reports/", [401, 403, 403, 200, 403, 200]),
    ("listCronJobs", "GET", "/api/admin/cron/", ALL),
    // No worker has announced such a job.
    ("listCronRuns", "GET", "/api/admin/cron/{job}/runs/", [401, 403, 404, 404, 404, 404]),
    ("listGuardDecisions", "GET", "/api/admin/guard/", ALL),
    ("listProviders", "GET", "/api/admin/providers/", ALL),
    // A state has to be named.
    ("listQueueItems", "GET", "/api/admin/queues/{queue}/items/", [401, 403, 400, 400, 400, 400]),
    ("listQueues", "GET", "/api/admin/queues/", ALL),
    ("listStaffMessages", "GET", "/api/admin/messages/", ALL),
    ("listStaffOrganizations", "GET", "/api/admin/organizations/", ALL),
    ("listStaffOtpRequests", "GET", "/api/admin/otp_requests/", ALL),
    ("listStaffPayments", "GET", "/api/admin/payments/", ALL),
    ("listStaffRoomMessages", "GET", "/api/admin/chat/rooms/{id}/messages/", HELPERS_MISS),
    ("listStaffRooms", "GET", "/api/admin/chat/rooms/", HELPERS),
    ("listStaffSessions", "GET", "/api/admin/sessions/", ALL),
    ("listStaffTemplates", "GET", "/api/admin/templates/", ALL),
    ("listStaffWallets", "GET", "/api/admin/wallets/", ALL),
    ("listStaffWebhooks", "GET", "/api/admin/webhooks/", ALL),
    ("listUserWalletEntries", "GET", "/api/admin/wallets/{user_id}/entries/", ALL),
    ("listUsers", "GET", "/api/admin/users/", ALL),
    ("lookAtPayment", "POST", "/api/admin/payments/{id}/look/", [401, 403, 403, 403, 200, 200]),
    ("pauseProvider", "POST", "/api/admin/providers/{name}/pause/", ADMIN_UNSAID),
    ("pauseQueue", "POST", "/api/admin/queues/{queue}/pause/", ADMIN_UNSAID),
    ("removeBlock", "DELETE", "/api/admin/blocks/{id}/", HELPERS_MISS),
    ("reopenChatRoomAsStaff", "POST", "/api/admin/chat/rooms/{id}/reopen/", HELPERS_MISS),
    ("resendStaffMessage", "POST", "/api/admin/messages/{id}/resend/", HELPERS_CONFLICT),
    ("resumeProvider", "POST", "/api/admin/providers/{name}/resume/", ADMIN),
    ("resumeQueue", "POST", "/api/admin/queues/{queue}/resume/", ADMIN),
    ("retryQueueRows", "POST", "/api/admin/queues/{queue}/retry/", ADMIN_UNSAID),
    ("retryStaffMessage", "POST", "/api/admin/messages/{id}/retry/", HELPERS_CONFLICT),
    ("retryStaffWebhook", "POST", "/api/admin/webhooks/{id}/retry/", HELPERS_MISS),
    ("revokeApiKey", "POST", "/api/admin/api_keys/{id}/revoke/", [401, 403, 403, 403, 403, 404]),
    ("revokeStaffSession", "POST", "/api/admin/sessions/{id}/revoke/", HELPERS),
    (
        "revokeUserSessions",
        "POST",
        "/api/admin/users/{id}/revoke_sessions/",
        [401, 403, 403, 200, 403, 200],
    ),
    // No worker has announced such a job.
    ("runCronJob", "POST", "/api/admin/cron/{job}/run/", [401, 403, 403, 403, 403, 404]),
    ("settleChatReport", "POST", "/api/admin/chat/reports/{id}/settle/", HELPERS_MISS),
    // The payment does not wait for a person.
    ("settlePayment", "POST", "/api/admin/payments/{id}/settle/", [401, 403, 403, 403, 409, 409]),
];

#[tokio::test]
async fn every_operation_is_open_to_the_roles_the_table_says() {
    let peyk = patient().start().await;
    let target = Person::new(&peyk).await;
    let mut callers = vec![None];
    for role in &WHO[1..] {
        let person = Person::new(&peyk).await;
        if *role != "user" {
            person.join_staff(&peyk, role).await;
        }
        callers.push(Some(person));
    }
    let listed: Vec<_> =
        TABLE.iter().map(|(id, method, path, _)| format!("{id} {method} {path}")).collect();
    assert_eq!(documented(&peyk, "Staff").await, listed, "operations are missing here");
    let state = "SELECT count(*) FROM users u JOIN sessions s ON s.user_id = u.id
        WHERE u.id = 1 AND u.is_active AND s.revoked_at IS NULL";
    assert_eq!(target.id, 1);
    // A payment has the number of the target.
    let body = serde_json::json!({"amount": 5000});
    assert_eq!(target.post(&peyk, "payment/create/", &body).await.json["id"], 1);
    for (id, method, path, expected) in TABLE {
        for (i, caller) in callers.iter().enumerate() {
            peyk.database
                .execute(
                    "UPDATE users SET is_active = true;
                     UPDATE sessions SET revoked_at = NULL WHERE user_id = 1",
                )
                .await;
            // Nobody is erased for good here.
            let of = if id == "eraseUser" { 999 } else { target.id };
            let path = path.replace("{id}", &of.to_string());
            let path = path.replace("{user_id}", &target.id.to_string());
            let path = path.replace("{queue}", "sms").replace("{name}", "sandbox");
            let path = path.replace("{job}", "no-such-job");
            let token = caller.as_ref().map(|person| person.token.as_str());
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let path = path.strip_prefix("/api/").unwrap();
            let body = serde_json::json!({
                "state": "failed", "note": "x", "outcome": "dismissed",
            });
            let body = id.starts_with("settle").then_some(&body);
            let answer = ask(&peyk, 0, method, path, token, body).await;
            assert_eq!(answer.status, expected[i], "{id} by {}: {answer:?}", WHO[i]);
            let touches = ["disableUser", "revokeStaffSession", "revokeUserSessions"].contains(&id);
            let hit = touches && answer.status == 200;
            assert_eq!(peyk.database.count(state).await == 0, hit, "{id} by {}", WHO[i]);
        }
    }
}

#[tokio::test]
async fn a_role_is_what_the_account_says_now_and_not_what_a_token_says() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    let path = "admin/users/";
    assert_eq!(sara.get(&peyk, path).await.status, 403);
    sara.join_staff(&peyk, "viewer").await;
    assert_eq!(sara.get(&peyk, path).await.status, 200);
    peyk.database.execute("UPDATE users SET role = NULL").await;
    assert_eq!(sara.get(&peyk, path).await.status, 403);
}
