// A list of one noun: search, filters, order, pages. All of it is in the address.

import { actions } from "./actions.js";
import { call, cursorOf } from "./api.js";
import { cell, link } from "./cells.js";
import { el } from "./dom.js";
import { digits, time } from "./format.js";
import { field, has, t } from "./i18n.js";
import { may } from "./session.js";
import { ascii, empty, into, makeInput } from "./ui.js";

/** The page of a list. `go` changes the address. */
export function listPage(noun, resource, query, go) {
  const place = el("div", { class: "results" });
  const asked = { ...resource.asks, ...Object.fromEntries(query) };
  const load = () => into(place, call(resource.list, { names: resource.names, query: asked }), (page) => results(noun, resource, page, query, go, load), load);
  load();
  const add = resource.add && may(resource.add.may) &&
    el("button", { type: "button", class: "go", onclick: async () => (await resource.add.run()) && load() }, t(resource.add.text));
  return [
    el("header", { class: "top" }, el("h1", {}, resource.heading ?? t(`nav.${noun}`)), add),
    has(`about.${noun}`) && el("p", { class: "soft about" }, t(`about.${noun}`)),
    bar(noun, resource, query, go),
    place,
  ];
}

/** Search, filters and order. */
function bar(noun, resource, query, go) {
  const filters = resource.filters ?? [];
  const sorts = resource.sorts ?? [];
  const inputs = filters.map((filter) => filterInput(filter, query.get(filter.name) ?? resource.asks?.[filter.name]));
  const search = resource.search && el("input", { type: "search", name: "search", value: query.get("search") ?? "",
    placeholder: t(`search.${resource.search}`), "aria-label": t(`search.${resource.search}`), dir: "auto", autocomplete: "off" });
  const order = sorts.length > 1 && makeInput({ name: "sort", kind: "choice", options: sorts, value: query.get("sort") ?? sorts[0] });
  if (order) for (const option of order.input.options) option.textContent = t(`sort.${option.value}`);
  if (!search && inputs.length === 0 && !order) return null;
  const send = (event) => {
    event?.preventDefault();
    const wanted = new URLSearchParams();
    if (search?.value.trim()) wanted.set("search", search.value.trim());
    for (const { name, read } of inputs) if (read() !== undefined) wanted.set(name, read());
    if (order && order.input.value !== sorts[0]) wanted.set("sort", order.input.value);
    go(`${noun}/`, wanted);
  };
  const used = filters.filter((filter) => query.has(filter.name)).length;
  const rows = [...inputs, order].filter(Boolean).map(({ row, input }) => {
    input.addEventListener("change", send);
    return row;
  });
  return el("form", { class: "bar", role: "search", "aria-label": t("filter.title"), onsubmit: send },
    search && el("div", { class: "row find" }, search, el("button", { class: "go" }, t("search"))),
    rows.length > 0 && el("details", { class: "filters", open: used > 0 || wide() },
      el("summary", {}, t("filter.title"), used > 0 && ` (${digits(used)})`), el("div", { class: "fields" }, rows)));
}

const wide = () => matchMedia("(min-width: 60rem)").matches;

function filterInput(filter, value) {
  const any = filter.required ? [] : [""];
  const options = filter.kind === "bool" ? [...any, "true", "false"] : filter.options && [...any, ...filter.options];
  const kind = options ? "choice" : filter.kind ?? "plain";
  const made = makeInput({ name: filter.name, kind, options, value: value ?? "" });
  if (filter.kind === "bool") {
    for (const option of made.input.options) option.textContent = option.value ? t(option.value === "true" ? "yes" : "no") : t("any");
  }
  return { ...made, read: () => ascii(made.input.value.trim()) || undefined };
}

function results(noun, resource, page, query, go, reload) {
  const rows = page.results;
  const back = page.looked_back_to && el("p", { class: "soft" }, t("list.looked_back", { time: time(page.looked_back_to) }));
  const body = rows.length > 0 ? table(noun, resource, rows, { reload }) : empty(page.next ? t("list.none_yet") : t("state.empty"));
  return [body, back, pages(noun, page, query, go)];
}

/** Rows as a table, which phones show as cards. */
export function table(noun, resource, rows, { columns = resource.columns, reload } = {}) {
  const names = columns.filter((name) => rows.some((row) => row[name] !== undefined && row[name] !== null && row[name] !== ""));
  const acts = reload && (resource.row ?? []).some((it) => may(it.may));
  const head = el("tr", { role: "row" }, names.map((name) => el("th", { scope: "col", role: "columnheader" }, field(name))),
    acts && el("th", { scope: "col", role: "columnheader" }, el("span", { class: "hidden" }, t("list.actions"))));
  return el("table", { class: "cards", role: "table", "aria-label": resource.heading ?? t(`nav.${noun}`) },
    el("thead", { role: "rowgroup" }, head),
    el("tbody", { role: "rowgroup" }, rows.map((row) => line(noun, resource, row, names, acts && reload))));
}

function line(noun, resource, row, names, reload) {
  const id = row[resource.id ?? "id"];
  const path = resource.open ? resource.open(row) : resource.item && `${noun}/${encodeURIComponent(id)}/`;
  const cells = names.map((name, place) => {
    const shown = place === 0 && path ? link(path, own(name, row)) : cell(name, row[name]);
    return el("td", { role: "cell", "data-label": field(name) }, shown);
  });
  const open = (event) => {
    if (path && !event.target.closest("a, button, input")) event.currentTarget.querySelector("a")?.click();
  };
  const acts = reload && el("td", { role: "cell", class: "acts" }, actions(resource.row, row, id, reload));
  return el("tr", { role: "row", "data-row": true, class: path ? "opens" : null, onclick: open }, cells, acts);
}

/** What stands in the link of a row. */
const own = (name, row) => (Number.isInteger(row[name]) ? digits(row[name]) : cell(name, row[name]));

function pages(noun, page, query, go) {
  const cursor = cursorOf(page.next);
  const isLater = query.has("cursor") || query.has("before");
  if (!cursor && !isLater) return null;
  const first = new URLSearchParams(query);
  for (const name of ["cursor", "before"]) first.delete(name);
  const next = new URLSearchParams(first);
  if (cursor) next.set(...cursor);
  const to = (wanted) => () => go(`${noun}/`, wanted);
  return el("nav", { class: "row pages", "aria-label": t("list.pages") },
    el("button", { type: "button", disabled: !isLater, onclick: to(first) }, t("list.first")),
    el("button", { type: "button", disabled: !cursor, onclick: to(next) }, t("list.next")));
}

/** A short list inside of another page. */
export function embedded(noun, resource, query, { columns, names } = {}) {
  const place = el("div");
  const load = () => into(place, call(resource.list, { names, query: { ...query, limit: 10 } }), (page) => [
    page.results.length ? table(noun, resource, page.results, { columns, reload: load }) : empty(),
    page.next && !names && el("p", {}, link(`${noun}/?${new URLSearchParams(query)}`, t("list.all"))),
  ], load);
  load();
  return el("section", { class: "card" }, el("h2", {}, t(`nav.${noun}`)), place);
}

