// What can be done with a thing: a button for each action, and a dialog for what it has to be told.

import { call, freshKey } from "./api.js";
import { has, t } from "./i18n.js";
import { may } from "./session.js";
import { ask, button, complain, toast } from "./ui.js";

/** Buttons for what may be done with a thing as it is. */
export function actions(all, row, id, reload) {
  const can = (all ?? []).filter((it) => may(it.may) && (it.when?.(row) ?? true));
  return can.map((action) => button(t(`do.${action.name}`), () => run(action, row, id, reload), {
    class: action.danger ? "danger" : action.main ? "go" : null, "data-action": action.name,
  }));
}

/** Asks what is needed, does it, and says so. */
export async function run(action, row, id, reload) {
  const names = action.names?.(row, id) ?? { id };
  const key = freshKey();
  const act = (body) => call(action.operation, { names, key, body: { ...(action.body?.(row) ?? {}), ...body } });
  const hint = has(`sure.${action.name}`) ? t(`sure.${action.name}`) : null;
  const fields = action.fields?.map((it) => ({ ...it, value: it.value ?? row[it.name], hint: it.hint && t(`hint.${action.name}`) }));
  const asks = fields || hint;
  const done = asks ? await ask({ title: t(`do.${action.name}`), text: hint, fields, danger: action.danger, act })
    : await act({}).catch(complain);
  if (!done) return;
  toast(t("done", { what: t(`do.${action.name}`) }));
  if (action.after) action.after(done);
  else reload();
}
