// The page of one thing: its fields, what can be done with it, and what belongs to it.

import { actions } from "./actions.js";
import { call } from "./api.js";
import { badge, cell, link } from "./cells.js";
import { el } from "./dom.js";
import { digits, shortTime } from "./format.js";
import { field, t } from "./i18n.js";
import { embedded, table } from "./list.js";
import { may } from "./session.js";
import { into } from "./ui.js";

/** The page of the thing with this id. */
export function detailPage(noun, resource, id, resources) {
  const place = el("div");
  const names = { [resource.idName ?? "id"]: id };
  const load = () => into(place, call(resource.item, { names }), (found) => whole(noun, resource, resource.unwrap?.(found) ?? found, id, resources, load), load);
  load();
  return [place];
}

function whole(noun, resource, row, id, resources, reload) {
  const title = resource.title?.(row) ?? digits(Number(id) || id);
  const state = row.state ?? row.status;
  const related = (resource.related ?? []).filter((it) => may(it.may ?? resources[it.noun]?.may));
  return [
    resource.list && el("nav", { class: "crumbs", "aria-label": t("crumbs") }, link(`${noun}/`, t(`nav.${noun}`))),
    el("header", { class: "top" },
      el("h1", {}, t(`one.${noun}`), " ", el("bdi", {}, title), " ", typeof state === "string" && badge(state)),
      el("div", { class: "row" }, actions(resource.actions, row, id, reload))),
    links(resource, row),
    el("section", { class: "card" }, el("h2", { class: "hidden" }, t("detail.fields")), fields(resource, row)),
    tables(resource, row),
    related.map((it) => embedded(it.noun, resources[it.noun], it.query(row, id), { columns: it.columns, names: it.names?.(row, id) })),
  ];
}

/** Fields that are no lists of things; first those that lists show, in their order. */
function fields(resource, row) {
  const place = ([name]) => (resource.columns?.indexOf(name) + 1 || 99) - (name === "id" ? 99 : 0);
  const own = Object.entries(row).filter(([name, value]) => !isRows(value) && !resource.hidden?.includes(name)).sort((one, other) => place(one) - place(other));
  return el("dl", { class: "fields" }, own.map(([name, value]) => el("div", {},
    el("dt", {}, field(name)), el("dd", {}, cell(name, value), exact(name, value)))));
}

/** How long ago something was is not all that staff want to know. */
function exact(name, value) {
  const isTime = typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value);
  return isTime && el("span", { class: "soft" }, " · ", el("bdi", { dir: "auto" }, shortTime(value)));
}

const isRows = (value) => Array.isArray(value) && value.length > 0 && typeof value[0] === "object";

/** Fields that are lists of things, each as a table. */
function tables(resource, row) {
  return Object.entries(row).filter(([, value]) => isRows(value)).map(([name, rows]) => {
    const columns = [...new Set(rows.flatMap((one) => Object.keys(one)))].filter((it) => it !== "id" && !resource.hidden?.includes(it));
    return el("section", { class: "card" }, el("h2", {}, field(name)), table(name, {}, rows, { columns }));
  });
}

function links(resource, row) {
  const there = (resource.links ?? []).map((it) => it(row)).filter((it) => it && may(it.may));
  return there.length > 0 && el("p", { class: "several links" }, there.map(({ path, text }) => link(path, t(text))));
}
