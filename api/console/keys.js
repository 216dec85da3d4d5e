// The keyboard: `/` searches, j and k move, Enter opens, g and a letter goes, ? shows all of it.

import { el } from "./dom.js";
import { t } from "./i18n.js";

/** What is gone to by g and a letter. */
const PLACES = { h: "", t: "timeline/", u: "users/", m: "messages/", o: "otp_requests/", p: "payments/", w: "wallets/",
  q: "queues/", c: "cron/", b: "blocks/", a: "audit/", s: "sessions/" };

let waitsForPlace = false;

/** Listens from now on; `go` opens a place. */
export function listen(go) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, [contenteditable], dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (act(event.key, go)) event.preventDefault();
  });
}

function act(key, go) {
  if (waitsForPlace) {
    waitsForPlace = false;
    if (!(key in PLACES)) return false;
    go(PLACES[key]);
    return true;
  }
  if (key === "g") waitsForPlace = true;
  else if (key === "/") document.querySelector("input[type=search]")?.focus();
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "?") show();
  else return false;
  return true;
}

function move(by) {
  const rows = Array.from(document.querySelectorAll("main [data-row]"));
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement?.closest("[data-row]"));
  const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
  (next.querySelector("a") ?? next).focus();
}

function show() {
  const rows = [["/", "keys.search"], ["j k", "keys.move"], ["Enter", "keys.open"], ["g h", "nav.home"],
    ["g t", "nav.timeline"], ["g u", "nav.users"], ["g s", "nav.sessions"], ["g m", "nav.messages"],
    ["g o", "nav.otp_requests"], ["g p", "nav.payments"], ["g w", "nav.wallets"], ["g q", "nav.queues"],
    ["g c", "nav.cron"], ["g b", "nav.blocks"], ["g a", "nav.audit"]];
  const dialog = el("dialog", { "aria-label": t("keys.title"), onclose: () => dialog.remove() },
    el("form", { method: "dialog" }, el("h2", {}, t("keys.title")),
      el("dl", { class: "keys" }, rows.map(([key, text]) => [
        el("dt", {}, el("kbd", { dir: "ltr" }, key)), el("dd", {}, t(text))])),
      el("div", { class: "row end" }, el("button", { class: "go" }, t("close")))));
  document.body.append(dialog);
  dialog.showModal();
}
