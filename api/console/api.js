// The one place that talks to the server.

import { current, t } from "./i18n.js";

const root = document.documentElement;
const prefix = root.dataset.prefix;
let csrf = "";
let onLeave = () => {};
let confirmIdentity = async () => false;

/** What was answered when it was no success. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? t("error.unknown"));
    this.status = status;
    this.code = body.code ?? "unreachable";
    this.requestId = body.request_id;
    this.fields = body.fields ?? {};
    this.retryAfter = body.retry_after;
  }
}

/** How somebody is asked who they are, and what happens when nobody is logged in any more. */
export function wire(hooks) {
  ({ confirmIdentity, onLeave } = hooks);
}

/** What changes something is sent with this from now on. */
export const remember = (token) => {
  csrf = token;
};

/**
 * Calls an operation, named `METHOD path/{name}/` below the prefix. Options: `names` for the path,
 * `query`, `body`, `key` (the request may be sent again), `background` (nobody has to be there),
 * `signal`.
 */
export async function call(operation, options = {}) {
  const [method, template] = operation.split(" ");
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(options.names[name]));
  const answer = await ask(method, `${prefix}/${path}${queryOf(options.query)}`, options);
  if (answer.ok) return answer.body;
  const problem = new Problem(answer.status, answer.body);
  const isLogin = template === "admin/session/" || template === "otp/send/";
  if (answer.status === 401 && !isLogin) onLeave();
  if (problem.code === "confirmation_required" && !options.confirmed && (await confirmIdentity())) {
    return call(operation, { ...options, confirmed: true });
  }
  throw problem;
}

/** Something of this server that is no operation of the document. */
export async function fetchPage(method, path, body) {
  const answer = await ask(method, path, { body });
  if (answer.ok) return answer.body;
  throw new Problem(answer.status, answer.body);
}

async function ask(method, url, { body, key, background, signal, bearer }) {
  const headers = { Accept: "application/json", "Accept-Language": current() };
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (background) headers["X-Peyk-Background"] = "1";
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const sent = { method, headers, signal, credentials: bearer ? "omit" : "same-origin", cache: "no-store" };
  if (body !== undefined) sent.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(url, sent);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { ok: false, status: 0, body: { detail: t("error.unreachable") } };
  }
  const parsed = await response.json().catch(() => ({}));
  return { ok: response.ok, status: response.status, body: parsed };
}

function queryOf(query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

/** A key with which a request that was sent twice is done once. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The part of the next page's address that is asked for again. */
export function cursorOf(next) {
  if (!next) return null;
  const query = new URL(next, location.origin).searchParams;
  for (const name of ["cursor", "before"]) {
    if (query.has(name)) return [name, query.get(name)];
  }
  return null;
}
