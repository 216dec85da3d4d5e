// The SMS providers: how each of them does.

import { call } from "../api.js";
import { badge, cell, moment } from "../cells.js";
import { el } from "../dom.js";
import { number } from "../format.js";
import { field, t, word } from "../i18n.js";
import { may } from "../session.js";
import { ask, button } from "../ui.js";
import { poll } from "./poll.js";

export function providersPage(query, { signal }) {
  const place = el("div", { class: "tiles" });
  poll(place, signal, (background) => call("GET admin/providers/", { background }), (page, reload) => page.results.map((it) => provider(it, reload)));
  return [el("header", { class: "top" }, el("h1", {}, t("nav.providers"))), el("p", { class: "soft about" }, t("about.providers")), place];
}

const OWN = ["name", "state", "paused", "credit", "out", "last_hour", "last_day"];

function provider(it, reload) {
  const { paused, credit, out, last_hour: hour, last_day: day } = it;
  const rest = Object.entries(it).filter(([name, value]) => !OWN.includes(name) && value !== null);
  return el("section", { class: "card", "data-provider": it.name, "data-row": true },
    el("header", { class: "top" }, el("h2", {}, el("bdi", { dir: "ltr" }, it.name)), badge(it.state)),
    paused && el("p", { class: "soft" }, moment(paused.paused_at), " · ", el("bdi", {}, paused.reason)),
    out && el("p", { class: "soft" }, t("provider.out", { code: out.reason ?? "—" }), " ", moment(out.since)),
    el("dl", { class: "fields" }, credit && pair("credit", [number(credit.amount), " ", word(credit.unit), " ", credit.low_since && badge("low")]),
      rest.map(([name, value]) => pair(name, cell(name, value)))),
    times(hour, day),
    may("run_operations") && el("div", { class: "row" }, paused
      ? button(t("do.resume"), () => resume(it.name, reload), { class: "go", "data-action": "resume" })
      : button(t("do.pause"), () => pause(it.name, reload), { class: "danger", "data-action": "pause" })));
}

const pair = (name, value) => el("div", {}, el("dt", {}, field(name)), el("dd", {}, value));

/** The last hour and the last day beside one another. */
function times(hour, day) {
  const names = [...new Set([...Object.keys(hour), ...Object.keys(day)])];
  return el("table", {}, el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, t("f.hour")), el("th", { scope: "col" }, t("f.day")))),
    el("tbody", {}, names.map((name) => el("tr", {}, el("th", { scope: "row" }, field(name)),
      el("td", {}, cell(name, hour[name])), el("td", {}, cell(name, day[name]))))));
}

async function resume(name, reload) {
  await call("POST admin/providers/{name}/resume/", { names: { name }, body: {} });
  reload();
}

async function pause(name, reload) {
  const done = await ask({ title: t("provider.pause", { name }), text: t("provider.pause_sure"), danger: true, button: t("do.pause"),
    fields: [{ name: "reason", required: true }],
    act: (body) => call("POST admin/providers/{name}/pause/", { names: { name }, body }) });
  if (done) reload();
}
