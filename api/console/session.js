// Who is in the console: coming in, going out, and proving anew who one is.

import { call, remember } from "./api.js";
import { t } from "./i18n.js";
import { ask, toast } from "./ui.js";

/** Whether somebody came in with this browser: only then is there anybody to ask for. */
const ENTERED = "peyk-entered";
let who = null;

/** Who is in; null: nobody. */
export const me = () => who;

/** Whether they may do this. */
export const may = (action) => !action || (who?.may.includes(action) ?? false);

function enter(session) {
  who = session;
  note(session !== null);
  remember(session?.csrf_token ?? "");
  return session;
}

function note(entered) {
  try {
    if (entered) localStorage.setItem(ENTERED, "yes");
    else localStorage.removeItem(ENTERED);
  } catch {
    // Without a memory the server is asked each time.
  }
}

function mayBeIn() {
  try {
    return localStorage.getItem(ENTERED) !== null;
  } catch {
    return true;
  }
}

/** Asks whether somebody is in already. */
export async function look() {
  if (!mayBeIn()) return enter(null);
  try {
    return enter(await call("GET admin/session/"));
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) return enter(null);
    throw problem;
  }
}

/** Comes in with a code or a password. */
export const begin = async (proof) => enter(await call("POST admin/session/", { body: proof }));

/** Forgets who was in: their session has ended. */
export const forget = () => enter(null);

/** Goes out. */
export async function end() {
  await call("DELETE admin/session/");
  forget();
}

/** Has whoever is in prove anew who they are; false: they did not want to. */
export async function confirmIdentity() {
  const ways = who?.confirm_by ?? [];
  if (ways.includes("password")) return (await byPassword(ways.includes("code"))) === true;
  if (ways.includes("code")) return byCode();
  toast(t("confirm.no_way"), "bad");
  return false;
}

async function byPassword(orCode) {
  let wantsCode = false;
  const other = orCode && [otherWay(() => {
    wantsCode = true;
  })];
  const done = await ask({
    title: t("confirm.title"),
    text: t("confirm.password"),
    fields: [{ name: "password", kind: "password", required: true, autocomplete: "current-password" }],
    more: other || [],
    act: async ({ password }) => {
      await call("POST me/confirm/", { body: { password } });
      return true;
    },
  });
  return wantsCode ? byCode() : done;
}

function otherWay(press) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "link";
  made.textContent = t("confirm.by_code");
  made.addEventListener("click", () => {
    press();
    made.closest("dialog").close();
  });
  return made;
}

async function byCode() {
  let sent;
  try {
    sent = await call("POST me/confirm/send/", { body: {} });
  } catch (problem) {
    // One that was sent a moment ago is still good.
    if (problem.code !== "otp_cooldown") {
      toast(problem.message, "bad");
      return false;
    }
  }
  const done = await ask({
    title: t("confirm.title"),
    text: t("confirm.code"),
    fields: [{ name: "code", kind: "code", required: true, autocomplete: "one-time-code" }],
    act: async ({ code }) => {
      await call("POST me/confirm/", { body: { code, request_id: sent?.request_id } });
      return true;
    },
  });
  return done === true;
}
