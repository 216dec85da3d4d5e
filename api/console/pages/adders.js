// What is made in the console: blocks.

import { call } from "../api.js";
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

/** The same resources, with what makes new ones. */
export const withAdders = (resources) => ({
  ...resources,
  blocks: { ...resources.blocks, add: { may: "block_senders", text: "block.add", run: addBlock } },
});
