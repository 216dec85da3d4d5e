// What renews itself while somebody looks at it.

import { put } from "../dom.js";
import { failed, loading } from "../ui.js";

const EVERY_MS = 5000;

/**
 * Shows what `read` gives, anew every few seconds while the page is visible and nobody is in the middle of
 * it. `read` is told whether somebody asked for it. Stops with `signal`.
 */
export function poll(place, signal, read, render) {
  let last = null;
  let timer = null;
  put(place, loading());

  async function load(background) {
    clearTimeout(timer);
    try {
      const given = await read(background);
      const text = JSON.stringify(given);
      if (!signal.aborted && text !== last && !(background && isBusy())) {
        put(place, render(given, () => load(false)));
        last = text;
      }
    } catch (problem) {
      if (!signal.aborted && (!background || problem.status !== 0)) put(place, failed(problem, () => load(false)));
      last = null;
    }
    if (!signal.aborted) timer = setTimeout(turn, EVERY_MS);
  }

  /** Whoever uses a control there must not have it taken away. */
  const isBusy = () => place.contains(document.activeElement) || document.querySelector("dialog[open]") !== null;

  const turn = () => (document.hidden ? (timer = setTimeout(turn, EVERY_MS)) : load(true));
  signal.addEventListener("abort", () => clearTimeout(timer));
  load(false);
}
