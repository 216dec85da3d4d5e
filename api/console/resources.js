// What there is to list and look at, one entry per noun: what is called, the columns, the filters, the
// actions, and what belongs to it. Who may not do something is not offered it; the server refuses it anyway.

import { money } from "./format.js";

const REASON = { name: "reason", required: true, kind: "long" };
const NOTE = { name: "note", required: true, kind: "long", value: "" };
const NEWEST = ["newest", "oldest"];
const STATUSES = ["queued", "sending", "sent", "failed", "expired", "cancelled", "unknown"];
const ended = (row) => ["failed", "expired", "unknown"].includes(row.status);
const waits = (row) => row.status === "queued";
const about = (subject) => (row, id) => ({ subject: `${subject}:${id}` });

const audit = (subject) => ({ noun: "audit", query: about(subject), columns: ["at", "action", "actor_user_id", "detail"] });
const story = (of) => (row) => of(row) && { may: "look_at_users", path: `timeline/?search=${encodeURIComponent(of(row))}`, text: "link.timeline" };

const users = {
  list: "GET admin/users/", item: "GET admin/users/{id}/", may: "look_at_users", search: "users",
  filters: [{ name: "role", options: ["viewer", "support", "finance", "admin"] }, { name: "is_active", kind: "bool" }, { name: "group", kind: "number" }],
  sorts: NEWEST,
  columns: ["id", "mobile_number", "username", "first_name", "last_name", "role", "is_active", "created_at"],
  title: (row) => row.mobile_number ?? row.username,
  links: [story((row) => `user:${row.id}`), (row) => ({ may: "look_at_payments", path: `wallets/${row.id}/`, text: "link.wallet" })],
  related: [
    { noun: "sessions", query: (row) => ({ user_id: row.id }), columns: ["id", "is_active", "device", "browser", "ip", "last_seen_at", "revoked_reason"] },
    { noun: "payments", query: (row) => ({ user_id: row.id }), columns: ["id", "state", "amount_rials", "gateway", "created_at"] },
    audit("user"),
  ],
  actions: [
    { name: "edit_user", operation: "PATCH admin/users/{id}/", may: "edit_users",
      fields: [{ name: "first_name", clears: true }, { name: "last_name", clears: true }, { name: "email", kind: "plain", clears: true }, { name: "group", kind: "number" }] },
    { name: "revoke_sessions", operation: "POST admin/users/{id}/revoke_sessions/", may: "end_sessions" },
    { name: "disable_user", operation: "POST admin/users/{id}/disable/", may: "switch_users", danger: true, when: (row) => row.is_active },
    { name: "enable_user", operation: "POST admin/users/{id}/enable/", may: "switch_users", when: (row) => !row.is_active && !row.erased_at },
    { name: "erase_user", operation: "POST admin/users/{id}/erase/", may: "erase_users", danger: true, when: (row) => !row.erased_at },
  ],
};

const sessions = {
  list: "GET admin/sessions/", may: "look_at_users", open: (row) => `users/${row.user_id ?? row.user}/`,
  filters: [{ name: "user_id", kind: "number" }, { name: "ip" }, { name: "is_active", kind: "bool" }],
  sorts: NEWEST,
  columns: ["id", "user_id", "is_active", "method", "device", "browser", "os", "ip", "last_seen_at", "created_at", "revoked_at"],
  row: [{ name: "revoke_session", operation: "POST admin/sessions/{id}/revoke/", may: "end_sessions", danger: true, when: (row) => row.is_active }],
};

const otpRequests = {
  list: "GET admin/otp_requests/", may: "look_at_messages", search: "number",
  open: (row) => row.message_id && `messages/${row.message_id}/`,
  filters: [{ name: "state", options: ["live", "used", "replaced", "expired"] },
    { name: "purpose", options: ["login", "confirm", "change_phone", "reset_password"] }, { name: "ip" }],
  sorts: NEWEST,
  columns: ["created_at", "mobile_number", "purpose", "state", "message_status", "delivery", "attempts", "ip", "provider", "reason"],
  links: [story((row) => row.mobile_number)],
};

const messages = {
  list: "GET admin/messages/", item: "GET admin/messages/{id}/", may: "look_at_messages", search: "number",
  filters: [{ name: "status", options: STATUSES }, { name: "kind", options: ["otp", "text", "bulk"] }, { name: "provider" }, { name: "reason" },
    { name: "user_id", kind: "number" }, { name: "api_key_id", kind: "number" }, { name: "bulk_id" }],
  sorts: NEWEST,
  columns: ["id", "mobile_number", "kind", "status", "delivery", "provider", "reason", "attempt_count", "created_at"],
  unwrap: ({ message, ...more }) => ({ ...message, ...more }),
  title: (row) => row.id, links: [story((row) => `message:${row.id}`)], related: [audit("message")],
  actions: [
    { name: "retry_message", operation: "POST admin/messages/{id}/retry/", may: "retry_messages", main: true, when: ended },
    { name: "resend_message", operation: "POST admin/messages/{id}/resend/", may: "retry_messages", when: (row) => row.kind !== "otp" && !waits(row) },
    { name: "cancel_message", operation: "POST admin/messages/{id}/cancel/", may: "retry_messages", danger: true, when: waits },
    { name: "give_up_message", operation: "POST admin/messages/{id}/give_up/", may: "retry_messages", danger: true, when: (row) => waits(row) || row.status === "unknown" },
  ],
};

const webhooks = {
  list: "GET admin/webhooks/", item: "GET admin/webhooks/{id}/", may: "look_at_messages",
  filters: [{ name: "status", options: ["queued", "sending", "sent", "failed"] }, { name: "endpoint" }, { name: "kind" }, { name: "event_id" }],
  sorts: NEWEST,
  columns: ["id", "endpoint", "kind", "status", "attempts", "response_status", "reason", "next_attempt_at", "created_at"],
  unwrap: ({ delivery, ...more }) => ({ ...delivery, ...more }),
  actions: [
    { name: "retry_webhook", operation: "POST admin/webhooks/{id}/retry/", may: "retry_messages", main: true },
    { name: "give_up_webhook", operation: "POST admin/webhooks/{id}/give_up/", may: "retry_messages", danger: true, when: waits },
  ],
};

const guard = {
  list: "GET admin/guard/", may: "look_at_messages",
  filters: [{ name: "action", options: ["passed", "refused"] },
    { name: "rule", options: ["country_hour", "country_day", "prefix_hour", "prefix_day", "ip_hour", "ip_day", "ip_countries"] },
    { name: "country" }, { name: "ip" }],
  sorts: NEWEST,
  columns: ["at", "action", "mode", "country", "prefix", "number_end", "ip", "reasons", "request_id"],
};

const templates = {
  list: "GET admin/templates/", may: "look_at_messages", id: "name",
  columns: ["name", "text", "segments", "text_en", "segments_en", "variables", "provider_name", "providers"],
};

const organizations = {
  list: "GET admin/organizations/", item: "GET admin/organizations/{id}/", may: "look_at_users", search: "organizations", sorts: NEWEST,
  filters: [{ name: "owner_id", kind: "number" }, { name: "user_id", kind: "number" }],
  columns: ["id", "name", "uname", "owner_id", "member_count", "created_at"], title: (row) => row.name,
  unwrap: ({ organization, ...more }) => ({ ...organization, ...more }), related: [audit("organization")],
};

const rooms = {
  list: "GET admin/chat/rooms/", item: "GET admin/chat/rooms/{id}/", may: "moderate_chat", search: "rooms", sorts: ["newest", "oldest", "last_activity"],
  filters: [{ name: "status", options: ["open", "closed", "held"] }, { name: "is_direct", kind: "bool" }, { name: "organization_id", kind: "number" },
    { name: "user_id", kind: "number" }, { name: "is_deleted", kind: "bool" }],
  columns: ["id", "name", "status", "is_direct", "organization_id", "last_seq", "last_activity_at", "created_at", "deleted_at"],
  title: (row) => row.name ?? row.id, unwrap: ({ room, ...more }) => ({ ...room, ...more }),
  related: [{ noun: "room_messages", query: () => ({}), names: (row) => ({ id: row.id }), columns: ["created_at", "sender", "kind", "text", "file_name", "deleted_at"] },
    audit("room")],
  actions: [
    { name: "close_room", operation: "POST admin/chat/rooms/{id}/close/", may: "moderate_chat", danger: true, when: (row) => row.status !== "closed" && !row.deleted_at },
    { name: "reopen_room", operation: "POST admin/chat/rooms/{id}/reopen/", may: "moderate_chat", when: (row) => row.status === "closed" && !row.deleted_at },
  ],
};

const reports = {
  list: "GET admin/chat/reports/", may: "moderate_chat", open: (row) => `rooms/${row.room}/`,
  filters: [{ name: "open", kind: "bool" }, { name: "reason", options: ["spam", "abuse", "illegal", "other"] }, { name: "room", kind: "number" }], sorts: NEWEST,
  columns: ["id", "reason", "text", "sender", "note", "outcome", "created_at"],
  row: [{ name: "settle_report", operation: "POST admin/chat/reports/{id}/settle/", may: "moderate_chat", when: (row) => !row.outcome,
    fields: [{ name: "outcome", kind: "choice", options: ["removed", "dismissed"], value: "removed" }] }],
};

/** Gateways take a payment back for half an hour. */
const mayBeReversed = (row) => row.state === "paid" && Date.now() - new Date(row.paid_at).getTime() < 1_800_000;
const PAYMENT_STATES = ["needs_review", "created", "redirected", "verifying", "paid", "failed", "cancelled", "expired", "reversed", "refunded"];

const payments = {
  list: "GET admin/payments/", item: "GET admin/payments/{id}/", may: "look_at_payments", search: "payments",
  sorts: ["newest", "oldest", "amount"],
  filters: [{ name: "state", options: PAYMENT_STATES }, { name: "gateway" }, { name: "order_id" }, { name: "authority" },
    { name: "ref_id", kind: "number" }, { name: "user_id", kind: "number" }],
  columns: ["id", "state", "amount_rials", "user_id", "mobile", "gateway", "order_id", "ref_id", "created_at"],
  // What the old system calls the same, what is for payers, and what a page says in its columns too.
  hidden: ["amount", "status", "gateway_title", "status_url", "answer"],
  title: (row) => money(row.amount_rials), links: [story((row) => `payment:${row.id}`)],
  related: [{ noun: "returns", query: () => ({}), names: (row) => ({ id: row.id }) }, audit("payment")],
  actions: [
    { name: "refund_payment", operation: "POST payment/{id}/refund/", may: "return_money", danger: true, when: (row) => row.state === "paid", fields: [NOTE] },
    { name: "reverse_payment", operation: "POST payment/{id}/reverse/", may: "return_money", danger: true, when: mayBeReversed, fields: [NOTE] },
    { name: "look_at_payment", operation: "POST admin/payments/{id}/look/", may: "settle_payments", main: true,
      when: (row) => ["redirected", "verifying", "needs_review", "failed", "cancelled", "expired"].includes(row.state) },
    { name: "settle_payment", operation: "POST admin/payments/{id}/settle/", may: "settle_payments", when: (row) => row.state === "needs_review",
      fields: [{ name: "state", kind: "choice", options: ["paid", "failed"], value: "paid" }, NOTE] },
  ],
};

const returns = {
  list: "GET payment/{id}/returns/", may: "look_at_payments",
  columns: ["created_at", "action", "status", "reason", "actor_id", "note", "settled_note", "ended_at"],
  row: [{ name: "settle_return", operation: "POST payment/{id}/returns/settle/", may: "return_money", when: (row) => row.status === "unknown",
    names: (row) => ({ id: row.payment_id }), fields: [{ name: "status", kind: "choice", options: ["done", "refused"], value: "done" }, NOTE] }],
};

const wallets = {
  list: "GET admin/wallets/", item: "GET admin/wallets/{user_id}/", search: "number", may: "look_at_payments", id: "user_id", idName: "user_id",
  sorts: ["newest", "oldest", "balance"],
  columns: ["user_id", "mobile_number", "balance_rials", "held_rials", "updated_at"], hidden: ["amount", "currency"], title: (row) => money(row.balance_rials),
  links: [(row) => ({ may: "look_at_users", path: `users/${row.user_id}/`, text: "link.user" })],
  related: [{ noun: "entries", query: () => ({}), names: (row) => ({ user_id: row.user_id }), columns: ["id", "kind", "amount_rials", "balance_rials", "description", "created_at"] },
    audit("user")],
  actions: [{ name: "adjust_wallet", operation: "POST admin/wallets/{user_id}/adjust/", may: "adjust_wallets", main: true,
    names: (row) => ({ user_id: row.user_id }), body: () => ({ currency: "IRR" }),
    fields: [{ name: "amount", kind: "number", required: true, hint: true }, REASON] }],
};

const keys = {
  list: "GET admin/api_keys/", may: "manage_keys", search: "keys", sorts: NEWEST,
  filters: [{ name: "scope", options: ["sms_send", "sms_read", "wallet_write", "wallet_read"] }, { name: "is_active", kind: "bool" }],
  columns: ["id", "name", "prefix", "scopes", "allowed_ips", "daily_sends", "daily_spend_rials", "is_active", "last_used_at", "expires_at", "created_at"],
  row: [{ name: "revoke_key", operation: "POST admin/api_keys/{id}/revoke/", may: "manage_keys", danger: true, when: (row) => row.is_active }],
};

const blocks = {
  list: "GET admin/blocks/", may: "look_at_operations", 
  columns: ["id", "kind", "value", "reason", "created_by", "expires_at", "created_at"],
  row: [{ name: "unblock", operation: "DELETE admin/blocks/{id}/", may: "block_senders", danger: true }],
};

const auditLog = {
  list: "GET admin/audit/", may: "read_audit", open: () => null,
  filters: [{ name: "actor", kind: "number" }, { name: "subject" }, { name: "action" }],
  sorts: NEWEST,
  columns: ["at", "action", "actor", "actor_user_id", "subject", "subject_id", "ip", "request_id", "detail"],
};

/** What is shown only as a part of other pages. */
const parts = {
  room_messages: { list: "GET admin/chat/rooms/{id}/messages/", may: "moderate_chat", columns: ["created_at", "text"] },
  returns,
  entries: { list: "GET admin/wallets/{user_id}/entries/", may: "look_at_payments", columns: ["id"] },
};

/** By the name in the address. */
export const resources = { ...parts, users, sessions, organizations, rooms, reports, otp_requests: otpRequests, messages, templates, webhooks,
  guard, payments, wallets, api_keys: keys, blocks, audit: auditLog };
