// Everything that happened to a number, an account, a payment: what support asks first.

import { call, cursorOf } from "../api.js";
import { cell, link } from "../cells.js";
import { el } from "../dom.js";
import { digits, shortTime, time } from "../format.js";
import { field, t, word } from "../i18n.js";
import { empty, into } from "../ui.js";

const PLACES = { user: "users", message: "messages", payment: "payments", session: "sessions", webhook: "webhooks" };

export function timelinePage(query, { go }) {
  const search = query.get("search") ?? "";
  const input = el("input", { type: "search", name: "search", value: search, required: true, dir: "auto",
    placeholder: t("search.timeline"), "aria-label": t("search.timeline"), autocomplete: "off" });
  const place = el("div");
  const load = () => into(place, call("GET admin/timeline/", { query: Object.fromEntries(query) }), (page) => story(page, query, go), load);
  if (search) load();
  return [
    el("header", { class: "top" }, el("h1", {}, t("nav.timeline"))),
    el("p", { class: "soft about" }, t("about.timeline")),
    el("form", { class: "bar", role: "search", "aria-label": t("nav.timeline"), onsubmit: (event) => {
      event.preventDefault();
      go("timeline/", new URLSearchParams({ search: input.value.trim() }));
    } }, el("div", { class: "row find" }, input, el("button", { class: "go" }, t("search")))),
    place,
  ];
}

function story(page, query, go) {
  const items = page.results;
  return [
    subjects(page),
    page.answer && verdict(page.answer),
    items.length ? el("ol", { class: "story" }, items.map(item)) : empty(t("timeline.nothing")),
    older(page, query, go),
  ];
}

/** Whom and what the search found. */
function subjects(page) {
  const { numbers = [], users = [], payments = [], messages = [] } = page.subjects ?? {};
  const of = (kind, ids) => ids.map((id) => thing(kind, id));
  const found = [numbers.map((number) => el("bdi", { dir: "ltr" }, number)), of("user", users), of("payment", payments), of("message", messages)].flat();
  return found.length > 0 && el("p", { class: "several links" }, found);
}

const thing = (kind, id) => kind in PLACES && link(`${PLACES[kind]}/${id}/`, t(`one.${PLACES[kind]}`), " ", digits(id));

/** Why no code came, in a sentence, and what to do. */
function verdict(answer) {
  return el("section", { class: `card verdict ${answer.severity}`, "data-verdict": answer.verdict },
    el("h2", {}, t("timeline.why")), el("p", {}, answer.text),
    el("p", { class: "soft" }, answer.advice), answer.message_id && el("p", {}, thing("message", answer.message_id)));
}

function item(one) {
  // What is kept no longer is said whole in its sentence.
  const params = one.kind === "purge" ? [] : Object.entries(one.params ?? {});
  const there = one.subject;
  return el("li", { class: one.severity, "data-row": true, "data-code": one.code },
    el("time", { datetime: one.at, title: time(one.at) }, shortTime(one.at)),
    el("div", {},
      el("p", {}, el("b", {}, one.text), " ",
        el("span", { class: "soft" }, word(one.kind)), " ", there && thing(there.kind, there.id)),
      params.length > 0 && el("p", { class: "more" }, params.map(([name, value]) => el("span", {}, field(name), " ", cell(name, numeric(name, value)))))));
}

/** Parameters are texts; amounts and lengths of time are shown as such. */
const numeric = (name, value) => (/(_ms|_rials|_seconds|^attempt)$/.test(name) && /^-?\d+$/.test(value) ? Number(value) : value);

function older(page, query, go) {
  const cursor = cursorOf(page.next);
  if (!cursor) return null;
  const next = new URLSearchParams(query);
  next.set(...cursor);
  return el("p", { class: "row" }, el("button", { type: "button", onclick: () => go("timeline/", next) }, t("timeline.older")));
}
