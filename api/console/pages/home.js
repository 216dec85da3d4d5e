// What an operator asks first.

import { call } from "../api.js";
import { badge, link, moment } from "../cells.js";
import { bars } from "../charts.js";
import { el } from "../dom.js";
import { duration, money, number, share } from "../format.js";
import { t, word } from "../i18n.js";
import { may } from "../session.js";
import { poll } from "./poll.js";

const SERIES = ["verified", "delivered", "sent", "failed"];

export function homePage(query, { signal, go }) {
  const place = el("div", { class: "home" });
  poll(place, signal, (background) => call("GET admin/overview/", { background }), (overview) => whole(overview));
  return [el("header", { class: "top" }, el("h1", {}, t("nav.home")), find(go)), place];
}

/** From a number to what happened to it, in one step. */
function find(go) {
  const input = el("input", { type: "search", required: true, placeholder: t("search.timeline"), "aria-label": t("search.timeline"), dir: "auto" });
  return el("form", { class: "row find", role: "search", "aria-label": t("nav.timeline"), onsubmit: (event) => {
    event.preventDefault();
    go("timeline/", new URLSearchParams({ search: input.value.trim() }));
  } }, input, el("button", {}, t("nav.timeline")));
}

function whole(it) {
  return [
    el("div", { class: "tiles" }, review(it.needs_review), rate(it.hour),
      tile("home.accept", duration(it.to_provider.median_ms ?? 0), times(it.to_provider)),
      tile("home.verify", duration(it.to_use.median_ms ?? 0), times(it.to_use)),
      tile("home.sockets", number(it.sockets), t("home.alive", { apis: number(it.apis), workers: number(it.workers) }), it.workers === 0 ? "bad" : ""),
      it.cron.length > 0 && tile("home.late", number(it.cron.length), it.cron.map(({ job, trouble }) => [link(`cron/${job}/`, el("bdi", { dir: "ltr" }, job)), " ", badge(trouble), " "]), "bad")),
    el("h2", {}, t("nav.otp_requests")),
    el("div", { class: "grid2" }, codes("home.codes_hour", it.hour, 12), codes("home.codes_day", it.day, 24)),
    el("div", { class: "grid2 below" }, failures(it.failures), queues(it.queues), providers(it.providers), payments(it.payments), processes(it.processes)),
  ];
}

const tile = (name, value, about, state = "") =>
  el("section", { class: `card tile ${state}` }, el("h2", {}, t(name)), el("span", { class: "big" }, value), el("p", { class: "soft" }, about));

function review(it) {
  if (!may("look_at_payments")) return null;
  const count = it.count > 0 ? link("payments/?state=needs_review", number(it.count)) : number(0);
  return tile("home.review", count, money(it.amount_rials), it.count > 0 ? "waiting" : "");
}

/** How many of the codes that a provider took were typed in. */
function rate(codes) {
  const value = codes.sent > 0 ? share(codes.verified / codes.sent) : "—";
  return tile("home.rate", value, t("home.rate_of", { verified: number(codes.verified), sent: number(codes.sent) }));
}

const times = (it) => (it.count === 0 ? t("home.no_codes") : t("home.times", { p95: duration(it.p95_ms), n: number(it.count) }));

/** Codes in equal stretches, all providers together; those that were verified were delivered and sent as well. */
function codes(title, it, count) {
  const first = new Date(it.since).getTime();
  const buckets = Array.from({ length: count }, (_, place) => ({ at: new Date(first + place * it.step_seconds * 1000).toISOString(), ...zero() }));
  for (const one of it.buckets) {
    const bucket = buckets[Math.floor((new Date(one.at).getTime() - first) / (it.step_seconds * 1000))];
    if (!bucket) continue;
    const delivered = Math.max(one.delivered, one.verified);
    bucket.verified += one.verified;
    bucket.delivered += delivered - one.verified;
    bucket.sent += Math.max(0, one.sent - delivered);
    bucket.failed += one.failed;
  }
  return el("section", { class: "card" }, bars(t(title), buckets, SERIES));
}

const zero = () => Object.fromEntries(SERIES.map((name) => [name, 0]));

/** A card with rows of two or three cells. */
const rows = (title, items, row, path) => el("section", { class: "card" }, el("h2", {}, path ? link(path, t(title)) : t(title)),
  items.length === 0 ? el("p", { class: "soft" }, t("state.empty")) : el("table", { "aria-label": t(title) },
    el("tbody", {}, items.map((it) => el("tr", {}, row(it).map((value, place) => el(place === 0 ? "th" : "td", place === 0 ? { scope: "row" } : {}, value)))))));

const ltr = (text) => el("bdi", { dir: "ltr" }, text);

const failures = (items) => rows("home.reasons", items, (it) => [ltr(it.reason), it.provider ? ltr(it.provider) : "", number(it.count)]);

const queues = (items) => rows("home.queues", items, (it) => [word(it.queue), number(it.due), it.due > 0 ? duration(it.oldest_ms) : ""], may("look_at_operations") && "queues/");

const providers = (items) => rows("home.providers", items, (it) => [ltr(it.provider),
  it.balance === undefined ? "—" : [number(it.balance), " ", word(it.balance_unit)],
  [it.out_since && badge("out"), it.low_since && badge("low")]], may("look_at_operations") && "providers/");

const payments = (items) => rows("home.payments", items, (it) => [badge(it.state), number(it.count), money(it.amount_rials)], "payments/");

const processes = (items) => rows("home.processes", items, (it) => [[word(it.kind), " ", ltr(it.process)], ltr(it.version), moment(it.started_at)]);
