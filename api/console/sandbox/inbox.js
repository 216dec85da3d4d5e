// The inbox: the texts that would have been sent, as they come.

import { fetchPage } from "../api.js";
import { el, put } from "../dom.js";
import { shortTime, time } from "../format.js";
import { t, word } from "../i18n.js";
import { ascii } from "../ui.js";
import { codeOf, show } from "./frame.js";

const EVERY_MS = 1500;
let timer = null;

function inbox() {
  clearTimeout(timer);
  const query = new URLSearchParams(location.search);
  const input = el("input", { type: "search", name: "mobile_number", value: query.get("mobile_number") ?? "", inputmode: "tel",
    placeholder: "09123456789", "aria-label": t("f.mobile_number"), dir: "ltr" });
  const place = el("div", { class: "inbox", "aria-live": "polite" });
  let last = null;

  async function load() {
    clearTimeout(timer);
    const number = ascii(input.value.trim());
    try {
      const page = await fetchPage("GET", `/sandbox/messages/?${new URLSearchParams({ mobile_number: number })}`);
      const text = JSON.stringify(page.results);
      if (text !== last) put(place, page.results.length ? page.results.map(one) : el("p", { class: "soft" }, t("s.no_texts")));
      last = text;
    } catch (problem) {
      put(place, el("p", { class: "error", role: "alert" }, problem.message));
      last = null;
    }
    timer = setTimeout(load, EVERY_MS);
  }

  load();
  return [
    el("form", { class: "row", role: "search", onsubmit: (event) => {
      event.preventDefault();
      history.replaceState(null, "", `?${new URLSearchParams({ mobile_number: input.value.trim() })}`);
      load();
    } }, input, el("button", {}, t("s.filter"))),
    el("p", { class: "soft" }, t("s.inbox_about")),
    place,
  ];
}

const one = (text) => el("article", { class: "card" },
  el("header", {}, el("b", { dir: "ltr" }, text.mobile_number), el("time", { datetime: text.created_at, title: time(text.created_at) }, shortTime(text.created_at)),
    el("span", { class: "badge" }, word(text.status))),
  codeOf(text), el("p", { class: "text", dir: "auto" }, text.text));

show("inbox", inbox);
