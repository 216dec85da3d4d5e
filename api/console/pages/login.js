// Coming in: with a code or with a password.

import { call } from "../api.js";
import { el, put } from "../dom.js";
import { t } from "../i18n.js";
import { begin } from "../session.js";
import { makeInput } from "../ui.js";

const methods = document.documentElement.dataset.methods.split(" ");
const isSandbox = document.documentElement.dataset.mode === "sandbox";

/** The page of somebody who is not in; `entered` is called once they are. */
export function loginPage(entered, language) {
  const place = el("div");
  const ways = methods.filter((it) => it === "otp" || it === "password");
  const choose = (way) => put(place, tabs(ways, way, choose), way === "otp" ? byCode(entered) : byPassword(entered));
  choose(ways.includes("password") ? "password" : "otp");
  return el("main", { class: "login", id: "main" },
    el("div", { class: "card" },
      el("header", { class: "top" }, el("h1", {}, t("app.name")), language),
      el("p", { class: "soft" }, t("login.about")), place,
      isSandbox && el("p", { class: "hint" }, t("login.superuser"), " ", el("code", { lang: "en", dir: "ltr" }, "api createsuperuser"))));
}

function tabs(ways, chosen, choose) {
  if (ways.length < 2) return null;
  return el("div", { class: "row tabs", role: "group", "aria-label": t("login.ways") }, ways.map((way) =>
    el("button", { type: "button", "aria-pressed": String(way === chosen), "data-way": way, onclick: () => choose(way) }, t(`login.${way}`))));
}

/** A form that says what went wrong in itself. */
function form(inputs, button, act) {
  const error = el("p", { class: "error", role: "alert", hidden: true });
  const submit = el("button", { class: "go wide" }, button);
  return el("form", { onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    error.hidden = true;
    try {
      await act(Object.fromEntries(inputs.map(({ name, read }) => [name, read()])));
    } catch (problem) {
      put(error, problem.code === "permission_denied" ? t("login.no_staff") : [problem.message, ...Object.values(problem.fields ?? {}).flat()].join(" "));
      error.hidden = false;
    }
    submit.disabled = false;
  } }, inputs.map(({ row }) => row), error, submit);
}

function byPassword(entered) {
  const inputs = [
    makeInput({ name: "username", kind: "plain", required: true, autocomplete: "username" }),
    makeInput({ name: "password", kind: "password", required: true, autocomplete: "current-password" }),
  ];
  return form(inputs, t("login.enter"), async (proof) => {
    await begin(proof);
    entered();
  });
}

function byCode(entered) {
  const place = el("div");
  const number = makeInput({ name: "mobile_number", kind: "phone", required: true, autocomplete: "tel", placeholder: "09123456789" });
  put(place, form([number], t("login.send"), async ({ mobile_number: mobile }) => {
    let sent = {};
    try {
      sent = await call("POST otp/send/", { body: { mobile_number: mobile } });
    } catch (problem) {
      // One that was sent a moment ago is still good.
      if (problem.code !== "otp_cooldown") throw problem;
    }
    put(place, code(mobile, sent.request_id, entered));
    place.querySelector("input").focus();
  }));
  return place;
}

function code(mobile, request, entered) {
  const input = makeInput({ name: "code", kind: "code", required: true, autocomplete: "one-time-code" });
  return [
    el("p", { class: "soft" }, t("login.sent"), " ", el("bdi", { dir: "ltr" }, mobile)),
    form([input], t("login.enter"), async ({ code: typed }) => {
      await begin({ mobile_number: mobile, code: typed, ...(request && { request_id: request }) });
      entered();
    }),
  ];
}
