// Somebody of the sandbox: logs in by the code that the inbox shows, and calls what their token opens.

import { call, fetchPage } from "../api.js";

const PAUSE_MS = 300;
const TRIES = 60;

/** The newest code that was sent to a number. */
export async function codeFor(mobile) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const page = await fetchPage("GET", `/sandbox/messages/?${new URLSearchParams({ mobile_number: mobile })}`);
    const found = page.results.find((text) => text.code);
    if (found) return found;
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
  throw new Error("no code came");
}

/** Asks for a code; one that was sent a moment ago is still good. */
export async function send(mobile) {
  try {
    return await call("POST otp/send/", { body: { mobile_number: mobile } });
  } catch (problem) {
    if (problem.code === "otp_cooldown") return {};
    throw problem;
  }
}

/** Somebody with a token. */
export async function logIn(mobile, code, request) {
  const body = { mobile_number: mobile, code, ...(request && { request_id: request }) };
  return call("POST authenticate/", { body });
}

/** All of it at once. */
export async function enter(mobile) {
  const sent = await send(mobile);
  const { code } = await codeFor(mobile);
  return logIn(mobile, code, sent.request_id);
}
