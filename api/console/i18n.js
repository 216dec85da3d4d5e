// The language of the console, and its texts.

import en from "./en.js";
import fa from "./fa.js";

const texts = { fa, en };
const KEY = "peyk-language";
let language = null;

/** `fa` or `en`. */
export const current = () => language;

/** What was chosen in this browser, if anything. */
const chosen = () => {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
};

/** Begins with what was chosen before, or with what the browser asks for. */
export function begin() {
  const wanted = navigator.languages.some((it) => it.toLowerCase().startsWith("fa")) ? "fa" : "en";
  use(chosen() in texts ? chosen() : wanted);
}

/** Speaks this language from now on. */
export function choose(wanted) {
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // It is forgotten with the page then.
  }
  use(wanted);
}

function use(wanted) {
  language = wanted;
  document.documentElement.lang = wanted;
  document.documentElement.dir = wanted === "fa" ? "rtl" : "ltr";
}

/** A text; `{name}` in it is replaced. */
export function t(key, values = {}) {
  const text = texts[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether there is such a text. */
export const has = (key) => key in texts[language];

/** What a field is called. */
export const field = (name) => (has(`f.${name}`) ? t(`f.${name}`) : plain(name));

/** What a word of the server means; that of an event, `payment.viewed`, is what was done to what. */
export function word(value) {
  if (has(`w.${value}`)) return t(`w.${value}`);
  const [noun, verb] = String(value).split(".");
  return verb && has(`did.${verb}`) && has(`w.${noun}`) ? t(`did.${verb}`, { what: t(`w.${noun}`) }) : plain(String(value));
}

const plain = (name) => name.replaceAll("_", " ");
