// Five minutes with Peyk: a first login, a payment, a chat.

import { call } from "../api.js";
import { el, put } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { ascii } from "../ui.js";
import { codeOf, show } from "./frame.js";
import { codeFor, logIn, send } from "./person.js";

const KEY = "peyk-walk";
const AMOUNT = 500_000;

/** What was reached so far, in this tab: the bank leads away from the page and back to it. */
function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

let reached = load();

function reach(more) {
  reached = { ...reached, ...more };
  sessionStorage.setItem(KEY, JSON.stringify(reached));
}

const bearer = () => ({ bearer: reached.login.access });

function walk() {
  const steps = el("ol", { class: "steps" });
  const draw = () => {
    const paid = reached.paid;
    const now = !reached.login ? 1 : !paid ? 2 : 3;
    put(steps, step(1, now, login(draw)), step(2, now, reached.login && payment(draw)), step(3, now, chat(), paid),
      step(4, now, staff(), paid));
  };
  draw();
  return [el("p", {}, t("s.walk_about")), steps,
    reached.login && el("p", {}, el("button", { type: "button", onclick: () => {
      sessionStorage.removeItem(KEY);
      location.assign("/");
    } }, t("s.anew")))];
}

function step(place, now, content, open = false) {
  const state = place < now ? "done" : place === now || open ? "now" : "later";
  return el("li", { class: `card ${state}`, "data-step": place, "data-state": state }, el("h2", {}, t(`s.step${place}`)), el("p", { class: "soft" }, t(`s.step${place}_about`)),
    state !== "later" && content);
}

/** A place for what goes wrong, and a way to do something that says so. */
function attempt() {
  const error = el("p", { class: "error", role: "alert" });
  const act = (work) => async (event) => {
    event?.preventDefault();
    put(error);
    const pressed = event?.submitter ?? event?.currentTarget;
    if (pressed) pressed.disabled = true;
    try {
      await work();
    } catch (problem) {
      put(error, problem.code === "token_not_valid" ? t("s.over") : problem.message);
    }
    if (pressed) pressed.disabled = false;
  };
  return { error, act };
}

function login(draw) {
  if (reached.login) {
    return el("p", { class: "good" }, t("s.logged_in", { name: reached.login.user.username }));
  }
  const { error, act } = attempt();
  const number = el("input", { id: "number", name: "mobile_number", value: reached.mobile ?? "09123456789", inputmode: "tel", dir: "ltr", required: true });
  const place = el("div");
  const begin = act(async () => {
    const mobile = ascii(number.value.trim());
    reach({ mobile });
    const sent = await send(mobile);
    const text = await codeFor(mobile);
    put(place, typed(mobile, text, sent.request_id, draw));
    place.querySelector("input").focus();
  });
  return [el("form", { class: "row", onsubmit: begin }, el("label", { for: "number" }, t("f.mobile_number")), number,
    el("button", { class: "go", "data-do": "send" }, t("login.send"))), error, place];
}

/** The text as a phone shows it, and where its code is typed. */
function typed(mobile, text, request, draw) {
  const { error, act } = attempt();
  const code = el("input", { id: "code", name: "code", inputmode: "numeric", dir: "ltr", autocomplete: "one-time-code", required: true });
  const enter = act(async () => {
    reach({ login: await logIn(mobile, ascii(code.value.trim()), request) });
    draw();
  });
  return [
    el("div", { class: "bubble", "data-text": true }, el("header", {}, el("b", { dir: "ltr" }, mobile), t("s.phone")), el("p", { dir: "auto" }, text.text), codeOf(text)),
    el("form", { class: "row", onsubmit: enter }, el("label", { for: "code" }, t("f.code")), code,
      el("button", { class: "go", "data-do": "enter" }, t("login.enter"))),
    error,
  ];
}

function payment(draw) {
  const { error, act } = attempt();
  const balance = el("p", {}, t("s.balance"), " ", el("span", { class: "big", "data-balance": true }, "…"));
  const look = act(async () => {
    const wallet = await call("GET wallet/", bearer());
    balance.lastChild.textContent = money(wallet.balance_rials);
    if (wallet.balance_rials > 0 && !reached.paid) {
      reach({ paid: true });
      draw();
    }
  });
  look();
  if (reached.paid) return [el("p", { class: "good" }, t("s.credited")), balance, error];
  const pay = act(async () => {
    const body = { amount: AMOUNT, currency: "IRR", description: t("s.charge"), frontend_callback_url: `${location.origin}/` };
    const begun = await call("POST payment/create/", { ...bearer(), body });
    location.assign(begun.details.gateway_url);
  });
  return [balance, el("form", { onsubmit: pay }, el("button", { class: "go", "data-do": "pay" }, t("s.pay", { amount: money(AMOUNT) }))), error];
}

const chat = () => el("p", {}, el("a", { class: "button go", href: "/sandbox/chat/", "data-do": "chat" }, t("s.open_chat")));

const staff = () => [
  el("pre", { lang: "en" }, ". .peyk/env && target/debug/api createsuperuser"),
  el("p", {}, el("a", { class: "button", href: "/admin/" }, t("s.open_console"))),
];

show("walk", walk);
