// What every page uses: toasts, dialogs, and what stands in a place while there is nothing else.

import { el, put, unique } from "./dom.js";
import { field, t, word } from "./i18n.js";

const toasts = el("div", { class: "toasts", role: "status", "aria-live": "polite" });
document.body.append(toasts);

/** Says something for a few seconds. */
export function toast(text, kind = "good") {
  const shown = el("p", { class: `toast fade ${kind}` }, text);
  toasts.append(shown);
  setTimeout(() => shown.remove(), kind === "bad" ? 9000 : 4000);
}

/** Says what went wrong. */
export const complain = (problem) => toast(problem.message ?? t("error.unknown"), "bad");

/** While something is fetched. */
export const loading = () => el("p", { class: "state", role: "status" }, t("state.loading"));

/** When there is nothing. */
export const empty = (text = t("state.empty")) => el("p", { class: "state" }, text);

/** When something cannot be shown, with a way to try again. */
export function failed(problem, again) {
  const id = problem.requestId && el("p", { class: "soft" }, t("error.request"), " ", el("bdi", { dir: "ltr" }, problem.requestId));
  return el("div", { class: "state", role: "alert" }, el("p", {}, problem.message), id,
    again && el("button", { type: "button", onclick: again }, t("again")));
}

/** Shows what a promise gives, and what is shown meanwhile and when it fails. */
export async function into(place, promise, render, again) {
  put(place, loading());
  try {
    put(place, render(await promise));
  } catch (problem) {
    if (problem.name !== "AbortError") put(place, failed(problem, again));
  }
}

/**
 * Asks in a dialog. `fields` are `{name, kind, required, options, hint, value}`; `act` is called with their
 * values, and what it throws is shown in the dialog. Gives what `act` gave, or null if it was closed.
 */
export function ask({ title, text, fields = [], button, danger, act, more = [] }) {
  const inputs = fields.map(makeInput);
  const error = el("p", { class: "error", role: "alert", hidden: true });
  const heading = unique("dialog");
  const submit = el("button", { class: danger ? "danger" : "go" }, button ?? t("ok"));
  return new Promise((resolve) => {
    let given = null;
    const dialog = el("dialog", { "aria-labelledby": heading },
      el("form", { method: "dialog", onsubmit: send },
        el("h2", { id: heading }, title), text && el("p", {}, text), inputs.map(({ row }) => row), more, error,
        el("div", { class: "row end" },
          el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")), submit)));

    async function send(event) {
      event.preventDefault();
      submit.disabled = true;
      error.hidden = true;
      try {
        given = (await act(Object.fromEntries(inputs.map(({ name, read }) => [name, read()])))) ?? true;
        dialog.close();
      } catch (problem) {
        const details = Object.values(problem.fields ?? {}).flat();
        put(error, [problem.message, ...details].join(" "));
        error.hidden = false;
      }
      submit.disabled = false;
    }

    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
    inputs[0]?.input.focus();
  });
}

/** An input with its label. `read` gives its value as the server wants it: nothing for nothing, unless it `clears`. */
export function makeInput({ name, label, kind = "text", required, clears, options, hint, value, placeholder, autocomplete }) {
  const id = unique("field");
  const common = { id, name, required, value: value ?? "" };
  const input = kind === "choice"
    ? el("select", common, options.map((it) => el("option", { value: it, selected: it === value }, it === "" ? t("any") : word(it))))
    : kind === "long"
      ? el("textarea", { ...common, rows: 3 })
      : el("input", { ...common, ...typeOf(kind), placeholder, autocomplete: autocomplete ?? "off" });
  const row = el("div", { class: "field" }, el("label", { for: id }, label ?? field(name)), input,
    hint && el("small", { class: "soft" }, hint));
  return { name, row, input, read: () => read(input.value.trim(), kind) ?? (clears ? "" : undefined) };
}

function typeOf(kind) {
  if (kind === "number") return { inputmode: "numeric", dir: "ltr" };
  if (kind === "code") return { inputmode: "numeric", dir: "ltr", pattern: "[0-9۰-۹٠-٩]*" };
  if (kind === "phone") return { inputmode: "tel", dir: "ltr" };
  if (kind === "password") return { type: "password", dir: "ltr" };
  if (kind === "plain") return { dir: "ltr", spellcheck: "false" };
  return { dir: "auto" };
}

/** Persian and Arabic digits are digits. */
export const ascii = (text) =>
  text.replace(/[۰-۹]/g, (it) => it.charCodeAt(0) - 0x6f0).replace(/[٠-٩]/g, (it) => it.charCodeAt(0) - 0x660);

function read(text, kind) {
  if (text === "") return undefined;
  if (kind === "number") return Number(ascii(text).replace(/[,٬\s]/g, ""));
  return kind === "code" || kind === "phone" ? ascii(text) : text;
}

/** A button that is off while what it does goes on. */
export function button(text, act, attributes = {}) {
  const made = el("button", { type: "button", ...attributes, onclick: press }, text);
  async function press() {
    made.disabled = true;
    try {
      await act();
    } catch (problem) {
      complain(problem);
    }
    made.disabled = false;
  }
  return made;
}
