// Logs in with the generated TypeScript client: `node login.js BASE MOBILE_NUMBER`.
// Compiled strictly, so every member used here is one the document promises.

import * as assert from "node:assert/strict";

import { authenticate, getOtp, sendOtp } from "./peyk_client";
import { client } from "./peyk_client/client.gen";
import type { AuthenticateResult, OtpStatus, Problem, SendOtpResult } from "./peyk_client";

/** The code in the newest text to the number; the inbox is not part of the API. */
async function sandboxCode(base: string, mobileNumber: string): Promise<string> {
  const url = `${base}/sandbox/messages/?mobile_number=${encodeURIComponent(mobileNumber)}`;
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    const inbox = (await (await fetch(url)).json()) as { results: { code: string | null }[] };
    const code = inbox.results.find((message) => message.code)?.code;
    if (code) return code;
    // Between two looks: the inbox cannot be waited for.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no text arrived in the sandbox inbox");
}

/** A code of the same form that is not it. */
function another(code: string): string {
  return code.slice(0, -1) + String((Number(code.slice(-1)) + 1) % 10);
}

async function main(base: string, mobile_number: string): Promise<void> {
  client.setConfig({ baseUrl: base });

  const invalid: Problem | undefined = (await sendOtp({ body: { mobile_number: "nobody" } })).error;
  assert.equal(invalid?.status, 400);
  assert.equal(invalid.errors[0]?.field, "mobile_number");

  const sent: SendOtpResult | undefined = (await sendOtp({ body: { mobile_number } })).data;
  assert.ok(sent && sent.expires_in > 0 && sent.status_url.startsWith("http"));

  const again: Problem | undefined = (await sendOtp({ body: { mobile_number } })).error;
  assert.deepEqual([again?.status, again?.code], [409, "otp_cooldown"]);
  assert.ok((again?.retry_after ?? 0) > 0);

  const code = await sandboxCode(base, mobile_number);
  const { request_id } = sent;
  const status: OtpStatus | undefined = (await getOtp({ path: { request_id } })).data?.status;
  assert.ok(status === "sent" || status === "sending" || status === "queued");

  const wrong = { mobile_number, code: another(code), request_id };
  const refused: Problem | undefined = (await authenticate({ body: wrong })).error;
  assert.deepEqual([refused?.status, refused?.code], [401, "otp_not_found"]);

  const right = { mobile_number, code, request_id };
  const result: AuthenticateResult | undefined = (await authenticate({ body: right })).data;
  assert.ok(result && result.access.split(".").length === 3);
  assert.equal(result.user.mobile_number, mobile_number);
  console.log(`logged in as ${result.user.username}`);
}

main(process.argv[2] ?? "", process.argv[3] ?? "").catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
