// How a value looks, by the name of its field and what it is.

import { el } from "./dom.js";
import { ago, digits, duration, money, number, rials, share, time } from "./format.js";
import { field, has, t, word } from "./i18n.js";

/** Words that mean that something is well, goes on, or went wrong. */
const GOOD = ["sent", "delivered", "verified", "paid", "active", "open", "ok", "accepted", "succeeded", "success",
  "done", "up", "closed_breaker", "allowed", "applied", "read", "healthy"];
const WAITING = ["queued", "sending", "verifying", "created", "redirected", "pending", "running", "scheduled", "due",
  "paused", "note", "late", "challenged", "held", "hold", "half_open", "low", "refunded", "reversed"];
const BAD = ["failed", "undelivered", "expired", "unknown", "needs_review", "refused", "problem", "disabled",
  "revoked", "blocked", "rejected", "given_up", "out", "error", "down", "timeout", "dead"];

const WORDS = new Set(["status", "state", "role", "outcome", "result", "severity", "method", "kind", "purpose", "action",
  "decision", "breaker", "direction", "reason", "class", "health", "delivery", "mode", "rule", "shown", "subject"]);
const PLAIN = new Set(["mobile_number", "number", "ip", "ip_address", "prefix", "authority", "ref_id", "request_id",
  "order_id", "code", "card_mask", "card_pan", "user_agent", "username", "uname", "provider_message_id", "url",
  "email", "schedule", "version", "process", "key_prefix", "scopes", "gateway_ref", "value", "endpoint", "template"]);

/** Where the thing lives that a field names by its id. */
const PLACES = { user_id: "users", user: "users", actor_user_id: "users", owner_id: "users", sender_id: "users",
  created_by: "users", paused_by: "users", message_id: "messages", sms_message_id: "messages", payment_id: "payments",
  asked_by: "users", actor_id: "users", banned_by: "users", settled_by: "users", reporter: "users", organization_id: "organizations", room_id: "rooms", room: "rooms", invited_by: "users", deleted_by: "users", webhook_id: "webhooks", delivery_id: "webhooks" };

/** How well a word sounds: `good`, `waiting`, `bad`, or nothing. */
export function tone(value) {
  if (GOOD.includes(value)) return "good";
  if (WAITING.includes(value)) return "waiting";
  return BAD.includes(value) ? "bad" : "";
}

/** A word of the server as a small label. */
export const badge = (value) => el("span", { class: `badge ${tone(value)}` }, word(value));

/** A time as how long ago it was, the whole of it beside. */
export const moment = (value) => el("time", { datetime: value, title: time(value) }, ago(value));

const ltr = (value) => el("bdi", { dir: "ltr", class: "plain" }, value);

/** A link of the console. */
export const link = (path, ...text) => el("a", { href: `/admin/${path}`, "data-go": true }, ...text);

/** A value as what a list or a page shows. */
export function cell(name, value) {
  if (value === null || value === undefined || value === "") return el("span", { class: "soft" }, "—");
  if (typeof value === "boolean") return el("span", { class: value ? "yes" : "soft" }, t(value ? "yes" : "no"));
  if (name in PLACES && Number.isInteger(value)) return link(`${PLACES[name]}/${value}/`, digits(value));
  if (/(^|_)at$|_until$|^oldest_due$|^last_seen$|^seen_at$/.test(name) && typeof value === "string") return moment(value);
  if (typeof value === "number") return has(`w.${name}.${value}`) ? badge(`${name}.${value}`) : quantity(name, value);
  if (Array.isArray(value)) return list(name, value);
  if (typeof value === "object") return "username" in value ? person(value) : pairs(value);
  if (WORDS.has(name) || /_(state|status)$/.test(name)) return badge(value);
  if (PLAIN.has(name)) return ltr(value);
  return el("span", { dir: "auto", class: "text" }, value);
}

/** Somebody in another thing, by the name they go by. */
function person({ id, username, first_name: first, last_name: last }) {
  const name = [first, last].filter(Boolean).join(" ") || username;
  return link(`users/${id}/`, el("bdi", {}, name));
}

function quantity(name, value) {
  if (/(^|_)rials$|^amount$|^balance$|^available$|^held$/.test(name)) {
    return el("span", { class: "money", title: rials(value) }, money(value));
  }
  if (/_ms$/.test(name) || name === "ms") return duration(value);
  if (/_seconds$|_age$/.test(name)) return duration(value * 1000);
  if (/_share$|_ratio$/.test(name)) return share(value);
  if (name === "id" || /_id$/.test(name)) return ltr(digits(value));
  return number(value);
}

function list(name, values) {
  if (values.length === 0) return el("span", { class: "soft" }, "—");
  return el("span", { class: "several" }, values.map((value) => el("span", {}, cell(name, value))));
}

/** A list that was written down as text, with a comma after each. */
function several(text) {
  const isList = typeof text === "string" && text.startsWith("[") && text.endsWith("]");
  return isList ? text.slice(1, -1).replaceAll('"', "").replaceAll(",", ", ") : text;
}

function pairs(value) {
  const shown = Object.entries(value).map(([name, one]) => [name, several(one)]).filter(([, one]) => one !== "");
  const rows = shown.map(([name, one]) => [el("dt", {}, el("bdi", {}, field(name))), el("dd", {}, cell(name, one))]);
  return el("dl", { class: "small" }, rows);
}
