// What is made in the console: blocks and API keys.

import { call } from "../api.js";
import { el } from "../dom.js";
import { t } from "../i18n.js";
import { ask } from "../ui.js";

async function addBlock() {
  return ask({
    title: t("block.add"),
    text: t("block.about"),
    fields: [
      { name: "kind", kind: "choice", options: ["number", "ip", "prefix"], value: "number" },
      { name: "value", kind: "plain", required: true },
      { name: "reason", required: true },
      { name: "days", kind: "number", label: t("block.days") },
    ],
    danger: true,
    button: t("block.add"),
    act: ({ days, ...block }) => call("POST admin/blocks/", { body: { ...block, ...(days && { expires_at: inDays(days) }) } }),
  });
}

const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();

const SCOPES = ["sms:send", "sms:read", "wallet:write", "wallet:read"];

async function addKey() {
  const boxes = SCOPES.map((scope) => {
    const box = el("input", { type: "checkbox", name: scope });
    return { scope, box, row: el("label", { class: "row" }, box, el("bdi", { dir: "ltr" }, scope)) };
  });
  const made = await ask({
    title: t("key.add"),
    fields: [{ name: "name", required: true }],
    more: [el("fieldset", {}, el("legend", {}, t("f.scopes")), boxes.map(({ row }) => row))],
    act: ({ name }) => call("POST admin/api_keys/", { body: { name, scopes: boxes.filter(({ box }) => box.checked).map(({ scope }) => scope) } }),
  });
  if (made) await showOnce(made.key);
  return made;
}

/** A key that nobody is shown again. */
const showOnce = (key) => ask({
  title: t("key.made"),
  text: t("key.once"),
  more: [el("p", {}, el("code", { dir: "ltr", class: "secret" }, key))],
  act: async () => true,
});

/** The same resources, with what makes new ones. */
export const withAdders = (resources) => ({
  ...resources,
  api_keys: { ...resources.api_keys, add: { may: "manage_keys", text: "key.add", run: addKey } },
  blocks: { ...resources.blocks, add: { may: "block_senders", text: "block.add", run: addBlock } },
});
