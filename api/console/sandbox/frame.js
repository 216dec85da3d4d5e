// What the pages of the sandbox have in common.

import { el, put } from "../dom.js";
import { begin, choose, current, t } from "../i18n.js";

const PAGES = [["walk", "/"], ["inbox", "/sandbox/"], ["chat", "/sandbox/chat/"], ["faults", "/sandbox/failures/"],
  ["console", "/admin/"], ["docs", "/docs/"]];

/** Shows a page in the language that was chosen; `content` makes what is in it, anew for each language. */
export function show(name, content) {
  begin();
  const draw = () => {
    const other = current() === "fa" ? "en" : "fa";
    const items = PAGES.map(([page, href]) =>
      el("a", { href, "aria-current": page === name ? "page" : null }, t(`s.${page}`)));
    put(document.getElementById("app"),
      el("header", { class: "head" }, el("b", {}, t("s.title")), el("nav", { "aria-label": t("s.pages") }, items),
        el("button", { type: "button", lang: other, "data-language": other, onclick: () => {
          choose(other);
          draw();
        } }, other === "fa" ? "فارسی" : "English")),
      el("main", {}, el("h1", {}, t(`s.${name}`)), el("p", { class: "play" }, t("s.play")), content()));
    document.title = `${t(`s.${name}`)} · ${t("s.title")}`;
  };
  draw();
}

/** A text of the inbox. */
export const codeOf = (text) => text.code && el("p", {}, el("span", { class: "code", dir: "ltr" }, text.code), " ", copyButton(text.code));

function copyButton(code) {
  const made = el("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(code).catch(() => {});
    made.textContent = t("s.copied");
  } }, t("s.copy"));
  return made;
}
