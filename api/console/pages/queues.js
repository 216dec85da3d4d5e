// The queues: how much waits where, and what is done about it.

import { call } from "../api.js";
import { badge, cell, link, moment } from "../cells.js";
import { el } from "../dom.js";
import { number, seconds } from "../format.js";
import { field, t, word } from "../i18n.js";
import { may } from "../session.js";
import { ask, button, empty, into, toast } from "../ui.js";
import { poll } from "./poll.js";

const STATES = ["running", "due", "scheduled", "failed", "unknown"];

export function queuesPage(query, { signal }) {
  const place = el("div", { class: "tiles" });
  poll(place, signal, (background) => call("GET admin/queues/", { background }), (page, reload) => page.results.map((it) => queue(it, reload)));
  return [el("header", { class: "top" }, el("h1", {}, t("nav.queues"))), el("p", { class: "soft about" }, t("about.queues")), place];
}

const count = (value) => (value && typeof value === "object" ? number(value.count) + (value.more ? "+" : "") : number(value ?? 0));

function queue(it, reload) {
  const { queue: name, paused } = it;
  return el("section", { class: "card", "data-queue": name, "data-row": true },
    el("header", { class: "top" }, el("h2", {}, link(`queues/${name}/`, word(name))), badge(paused ? "paused" : "active")),
    paused && el("p", { class: "soft" }, moment(paused.paused_at), " · ", el("bdi", {}, paused.reason)),
    el("dl", { class: "counts" }, STATES.map((state) => el("div", {}, el("dt", {}, word(state)),
      el("dd", { class: `count ${state}` }, link(`queues/${name}/?state=${state}`, count(it[state])))))),
    it.oldest_due_seconds !== undefined &&
      el("p", { class: "soft" }, t("queue.oldest", { time: seconds(it.oldest_due_seconds) })),
    may("run_operations") && el("div", { class: "row" }, paused
      ? button(t("do.resume"), () => change("POST admin/queues/{queue}/resume/", name, reload), { class: "go", "data-action": "resume" })
      : button(t("do.pause"), () => pause(name, reload), { class: "danger", "data-action": "pause" })));
}

async function change(operation, queue, reload) {
  await call(operation, { names: { queue }, body: {} });
  reload();
}

async function pause(queue, reload) {
  const done = await ask({ title: t("queue.pause", { queue: word(queue) }), text: t("queue.pause_sure"), danger: true, button: t("do.pause"),
    fields: [{ name: "reason", required: true }],
    act: (body) => call("POST admin/queues/{queue}/pause/", { names: { queue }, body }) });
  if (done) reload();
}

/** The rows of one queue in one state. */
export function queuePage(name, query, { go }) {
  const state = query.get("state") ?? "due";
  const place = el("div");
  const load = () => into(place, call("GET admin/queues/{queue}/items/", { names: { queue: name }, query: { ...Object.fromEntries(query), state } }),
    (page) => rows(name, state, page, load, go, query), load);
  load();
  return [
    el("nav", { class: "crumbs", "aria-label": t("crumbs") }, link("queues/", t("nav.queues"))),
    el("header", { class: "top" }, el("h1", {}, word(name))),
    el("nav", { class: "row tabs", "aria-label": t("queue.states") }, STATES.map((it) => {
      const tab = link(`queues/${name}/?state=${it}`, word(it));
      if (it === state) tab.setAttribute("aria-current", "page");
      return tab;
    })),
    place,
  ];
}

const COLUMNS = ["kind", "state", "status", "attempt", "attempts", "next_attempt_at", "reason", "created_at"];
const PLACES = { message: "messages", delivery: "webhooks", webhook: "webhooks", payment: "payments" };

function rows(queue, state, page, reload, go, query) {
  const items = page.results;
  if (items.length === 0) return empty();
  const names = COLUMNS.filter((it) => items.some((row) => row[it] !== undefined && row[it] !== null));
  const chosen = new Map();
  const acts = may("run_operations") && ["failed", "unknown", "due", "scheduled"].includes(state);
  const table = el("table", { class: "cards", role: "table", "aria-label": word(queue) },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
      acts && el("th", { role: "columnheader" }, el("span", { class: "hidden" }, t("queue.choose"))),
      el("th", { role: "columnheader" }, field("id")), names.map((it) => el("th", { role: "columnheader" }, field(it))))),
    el("tbody", { role: "rowgroup" }, items.map((row) => {
      const box = acts && el("input", { type: "checkbox", "aria-label": `${t("queue.choose")} ${row.id}` });
      if (box) chosen.set(row.id, box);
      return el("tr", { role: "row", "data-row": true }, box && el("td", { role: "cell", class: "box" }, box),
        el("td", { role: "cell", "data-label": field("id") }, subject(row)),
        names.map((it) => el("td", { role: "cell", "data-label": field(it) }, cell(it, row[it]))));
    })));
  return [acts && bulk(queue, state, chosen, reload), table, page.next && more(page, queue, query, go)];
}

function subject(row) {
  const { kind, id } = row.subject ?? { kind: row.subject_kind, id: row.subject_id ?? row.id };
  return kind in PLACES ? link(`${PLACES[kind]}/${id}/`, el("bdi", { dir: "ltr" }, row.id)) : el("bdi", { dir: "ltr" }, row.id);
}

function more(page, queue, query, go) {
  const next = new URLSearchParams(new URL(page.next, location.origin).search);
  for (const [name, value] of query) if (!next.has(name)) next.set(name, value);
  next.delete("limit");
  return el("p", { class: "row pages" }, el("button", { type: "button", onclick: () => go(`queues/${queue}/`, next) }, t("list.next")));
}

/** What is done to many rows at once: those that are chosen, or all of this state. */
function bulk(queue, state, chosen, reload) {
  const ids = () => [...chosen].filter(([, box]) => box.checked).map(([id]) => id);
  const act = async (operation, name) => {
    const some = ids();
    const done = await ask({
      title: t(`do.${name}`), text: some.length ? t("queue.some", { n: number(some.length) }) : t("queue.all", { state: word(state) }),
      danger: name === "give_up", button: t(`do.${name}`),
      act: () => call(operation, { names: { queue }, body: some.length ? { ids: some } : { state } }),
    });
    if (!done) return;
    toast(t(done.more ? "queue.done_more" : "queue.done", { n: number(done.changed) }));
    reload();
  };
  return el("div", { class: "row" },
    button(t("do.retry"), () => act("POST admin/queues/{queue}/retry/", "retry"), { class: "go", "data-action": "retry" }),
    button(t("do.give_up"), () => act("POST admin/queues/{queue}/give_up/", "give_up"), { class: "danger", "data-action": "give_up" }));
}
