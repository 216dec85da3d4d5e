// The jobs that run by the clock.

import { call } from "../api.js";
import { link } from "../cells.js";
import { el } from "../dom.js";
import { t } from "../i18n.js";
import { table } from "../list.js";
import { may } from "../session.js";
import { ask, button, empty, into, toast } from "../ui.js";
import { poll } from "./poll.js";

const COLUMNS = ["name", "about", "schedule", "next_at", "started_at", "outcome", "rows", "took_ms", "lag_ms", "asked_at"];

export function cronPage(query, { signal }) {
  const place = el("div");
  const resource = { id: "name", open: (row) => `cron/${row.name}/`, columns: COLUMNS };
  poll(place, signal, (background) => call("GET admin/cron/", { background }), (page) => (page.results.length ? table("cron", resource, page.results.map(flat)) : empty()));
  return [el("header", { class: "top" }, el("h1", {}, t("nav.cron"))), el("p", { class: "soft about" }, t("about.cron")), place];
}

/** A job with what its last run says of itself. */
const flat = ({ last_run: last, ...job }) => ({ ...last, ...job });

export function jobPage(job, query, context) {
  const place = el("div");
  const resource = { columns: ["started_at", "outcome", "rows", "took_ms", "lag_ms", "by_hand", "asked_by", "error"] };
  const load = () => into(place, call("GET admin/cron/{job}/runs/", { names: { job }, query: Object.fromEntries(query) }),
    (page) => (page.results.length ? table("runs", resource, page.results) : empty()), load);
  load();
  return [
    el("nav", { class: "crumbs", "aria-label": t("crumbs") }, link("cron/", t("nav.cron"))),
    el("header", { class: "top" }, el("h1", {}, el("bdi", { dir: "ltr" }, job)),
      may("run_operations") && button(t("do.run_job"), () => run(job, load), { class: "go", "data-action": "run_job" })),
    place,
  ];
}

async function run(job, reload) {
  const done = await ask({ title: t("do.run_job"), text: t("sure.run_job"), button: t("do.run_job"),
    act: () => call("POST admin/cron/{job}/run/", { names: { job }, body: {} }) });
  if (!done) return;
  toast(t("done", { what: t("do.run_job") }));
  setTimeout(reload, 1500);
}

