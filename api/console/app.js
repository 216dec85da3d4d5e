// The console: its frame, and which page an address is.

import { call, wire } from "./api.js";
import { link } from "./cells.js";
import { detailPage } from "./detail.js";
import { el, put } from "./dom.js";
import { begin, choose, current, t, word } from "./i18n.js";
import { listen } from "./keys.js";
import { listPage } from "./list.js";
import { cronPage, jobPage } from "./pages/cron.js";
import { homePage } from "./pages/home.js";
import { loginPage } from "./pages/login.js";
import { providersPage } from "./pages/providers.js";
import { queuesPage, rowsPage } from "./pages/queues.js";
import { timelinePage } from "./pages/timeline.js";
import { withAdders } from "./pages/adders.js";
import { resources as plain } from "./resources.js";
import { confirmIdentity, end, forget, look, may, me } from "./session.js";
import { complain, empty } from "./ui.js";

const ROOT = "/admin/";
const resources = withAdders(plain);
const NAV = [
  ["", [["home", ""], ["timeline", "timeline/"]]],
  ["people", [["users"], ["sessions"], ["organizations"], ["rooms"], ["reports"]]],
  ["messages", [["otp_requests"], ["messages"], ["guard"], ["webhooks"], ["templates"]]],
  ["money", [["payments"], ["wallets"]]],
  ["operations", [["queues"], ["providers"], ["cron"], ["blocks"], ["api_keys"], ["audit"]]],
];
/** Pages that are no list of a noun: what one may do to see them, and what shows them. */
const pages = {
  "": { may: "look_at_users", show: homePage },
  timeline: { may: "look_at_users", show: timelinePage },
  queues: { may: "look_at_operations", show: queuesPage, one: rowsPage },
  providers: { may: "look_at_operations", show: providersPage },
  cron: { may: "look_at_operations", show: cronPage, one: jobPage },
};
const app = document.getElementById("app");
let main = null;
/** What the page that is shown has to stop doing when another one is. */
let leave = new AbortController();

/** Opens a place below the root. */
function go(path, query = "", { replace = false } = {}) {
  const tail = String(query);
  history[replace ? "replaceState" : "pushState"](null, "", ROOT + path + (tail && `?${tail}`));
  show();
}

function navigation() {
  const here = location.pathname.slice(ROOT.length).split("/")[0];
  const item = ([noun, path = `${noun}/`]) => {
    const needs = pages[path.split("/")[0]]?.may ?? resources[noun]?.may;
    if (!may(needs) || (noun !== "home" && !(noun in pages) && !(noun in resources))) return null;
    const made = link(path, t(`nav.${noun}`));
    if (path.split("/")[0] === here) made.setAttribute("aria-current", "page");
    return el("li", {}, made);
  };
  return NAV.map(([group, items]) => {
    const shown = items.map(item).filter(Boolean);
    return shown.length > 0 && [group && el("p", { class: "group" }, t(`group.${group}`)), el("ul", {}, shown)];
  });
}

function frame() {
  const menu = el("nav", { class: "side", id: "menu", "aria-label": t("nav.label") }, navigation());
  const toggle = el("button", { type: "button", class: "menu", "aria-expanded": "false", "aria-controls": "menu", onclick: () => {
    const open = app.classList.toggle("open");
    toggle.setAttribute("aria-expanded", String(open));
  } }, t("menu"));
  main = el("main", { id: "main", tabindex: "-1" });
  app.classList.remove("open");
  put(app, el("a", { class: "skip", href: "#main" }, t("skip")),
    el("header", { class: "head" }, toggle, link("", el("b", {}, t("app.name"))),
      el("span", { class: "who" }, el("bdi", { class: "soft" }, me().first_name || me().username), " ", el("span", { class: "badge" }, word(me().role))),
      languageButton(),
      el("button", { type: "button", onclick: () => end().then(show, complain), "data-leave": true }, t("leave"))),
    menu, main);
}

const languageButton = () => {
  const other = current() === "fa" ? "en" : "fa";
  return el("button", { type: "button", lang: other, "data-language": other, onclick: () => {
    choose(other);
    show();
  } }, other === "fa" ? "فارسی" : "English");
};

/** Shows what the address says. */
function show() {
  leave.abort();
  leave = new AbortController();
  if (!me()) {
    document.title = `${t("login.title")} · ${t("app.name")}`;
    put(app, loginPage(show, languageButton()));
    app.querySelector("input")?.focus();
    return;
  }
  frame();
  const [noun = "", id] = location.pathname.slice(ROOT.length).split("/").map(decodeURIComponent);
  const query = new URLSearchParams(location.search);
  put(main, page(noun, id, query));
  document.title = `${main.querySelector("h1")?.textContent ?? t(`nav.${noun || "home"}`)} · ${t("app.name")}`;
  scrollTo(0, 0);
}

function page(noun, id, query) {
  const special = pages[noun];
  if (special) {
    if (!may(special.may)) return [el("h1", {}, t(`nav.${noun}`)), empty(t("state.not_yours"))];
    return id && special.one ? special.one(id, query, context()) : special.show(query, context());
  }
  const resource = resources[noun];
  if (!resource || !(id ? resource.item : resource.list)) return [el("h1", {}, t("state.no_page")), empty(t("state.no_page"))];
  if (!may(resource.may)) return [el("h1", {}, t(`nav.${noun}`)), empty(t("state.not_yours"))];
  return id ? detailPage(noun, resource, id, resources) : listPage(noun, resource, query, go);
}

const context = () => ({ go, signal: leave.signal, resources, call });

document.addEventListener("click", (event) => {
  const target = event.target.closest("a[data-go]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const url = new URL(target.href);
  go(url.pathname.slice(ROOT.length), url.search.slice(1));
  main?.focus({ preventScroll: true });
});
addEventListener("popstate", show);
listen((path) => me() && go(path));
wire({
  confirmIdentity,
  onLeave: () => {
    if (!me()) return;
    forget();
    show();
  },
});
begin();
look().then(show, (problem) => {
  put(app, el("p", { class: "boot", role: "alert" }, problem.message));
});
