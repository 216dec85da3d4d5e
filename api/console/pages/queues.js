// The queues: how much waits where, and what is done about it.

import { call } from "../api.js";
import { badge, link, moment } from "../cells.js";
import { el } from "../dom.js";
import { number, seconds } from "../format.js";
import { t, word } from "../i18n.js";
import { may } from "../session.js";
import { listPage } from "../list.js";
import { ask, button, toast } from "../ui.js";
import { poll } from "./poll.js";

const STATES = ["running", "due", "scheduled", "failed", "unknown"];
/** States whose rows can be changed. */
const CHANGED = ["failed", "unknown", "scheduled", "due"];
/** Queues whose rows can be given up: what becomes of money is decided one by one. */
const GIVEN_UP = ["otp", "sms", "bulk", "webhooks"];
/** Where that lives which a row is about. */
const PLACES = { message: "messages", webhook: "webhooks", payment: "payments" };

export function queuesPage(query, { signal }) {
  const place = el("div", { class: "tiles" });
  poll(place, signal, (background) => call("GET admin/queues/", { background }), (page, reload) => page.results.map((it) => queue(it, reload)));
  return [el("header", { class: "top" }, el("h1", {}, t("nav.queues"))), el("p", { class: "soft about" }, t("about.queues")), place];
}

const count = ({ count: rows, more }) => number(rows) + (more ? "+" : "");

function queue(it, reload) {
  const { queue: name, paused } = it;
  return el("section", { class: "card", "data-queue": name },
    el("header", { class: "top" }, el("h2", {}, word(name)), badge(paused ? "paused" : "active")),
    paused && el("p", { class: "soft" }, moment(paused.paused_at), " · ", el("bdi", {}, paused.reason)),
    el("dl", { class: "counts" }, STATES.map((state) => el("div", {}, el("dt", {}, word(state)), el("dd", {}, link(`queues/${name}/?state=${state}`, count(it[state])))))),
    it.oldest_due_seconds !== undefined && el("p", { class: "soft" }, t("queue.oldest", { time: seconds(it.oldest_due_seconds) })),
    may("run_operations") && el("div", { class: "row" }, paused
      ? button(t("do.resume"), () => resume(name, reload), { class: "go", "data-action": "resume" })
      : button(t("do.pause"), () => pause(name, reload), { class: "danger", "data-action": "pause" }),
    button(t("do.retry"), () => many("POST admin/queues/{queue}/retry/", "retry", name, reload), { "data-action": "retry" }),
    GIVEN_UP.includes(name) && button(t("do.give_up"), () => many("POST admin/queues/{queue}/give_up/", "give_up", name, reload), { "data-action": "give_up" })));
}

/** What is done with one row of a queue: not with one in a worker's hands, nor with money back that has ended. */
const one = (operation, name, queue) => ({ name, operation, may: "run_operations", names: () => ({ queue }), body: (row) => ({ ids: [row.id] }),
  when: (row) => row.status !== "sending" && (queue !== "returns" || row.status === "asked") && (name === "retry" || ["queued", "unknown"].includes(row.status)) });

/** The rows of one queue that are in one state. */
export function rowsPage(queue, query, { go }) {
  return listPage(`queues/${queue}`, {
    list: "GET admin/queues/{queue}/items/", names: { queue }, heading: t("queue.rows", { queue: word(queue) }),
    asks: { state: "due" }, filters: [{ name: "state", options: STATES, required: true }],
    columns: ["id", "kind", "status", "attempt", "next_attempt_at", "reason", "created_at"],
    open: (row) => `${PLACES[row.subject]}/${row.subject_id}/`,
    row: [one("POST admin/queues/{queue}/retry/", "retry", queue),
      ...(GIVEN_UP.includes(queue) ? [{ ...one("POST admin/queues/{queue}/give_up/", "give_up", queue), danger: true }] : [])],
  }, query, go);
}

async function resume(queue, reload) {
  await call("POST admin/queues/{queue}/resume/", { names: { queue }, body: {} });
  reload();
}

async function pause(queue, reload) {
  const done = await ask({ title: t("queue.pause", { queue: word(queue) }), text: t("queue.pause_sure"), danger: true, button: t("do.pause"),
    fields: [{ name: "reason", required: true }],
    act: (body) => call("POST admin/queues/{queue}/pause/", { names: { queue }, body }) });
  if (done) reload();
}

/** Many rows at once: all of one state, perhaps only those with one reason. */
async function many(operation, name, queue, reload) {
  const done = await ask({
    title: `${word(queue)}: ${t(`do.${name}`)}`, text: t("queue.many"), danger: name === "give_up", button: t(`do.${name}`),
    fields: [{ name: "state", kind: "choice", options: CHANGED, value: "failed" }, { name: "reason", kind: "plain", placeholder: "kavenegar.418" }],
    act: (body) => call(operation, { names: { queue }, body }),
  });
  if (!done) return;
  toast(t(done.more ? "queue.done_more" : "queue.done", { n: number(done.changed) }));
  reload();
}
