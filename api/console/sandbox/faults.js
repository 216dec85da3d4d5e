// What is to go wrong: so that an application can be shown what it will meet.

import { fetchPage } from "../api.js";
import { el, put } from "../dom.js";
import { number } from "../format.js";
import { t } from "../i18n.js";
import { ascii } from "../ui.js";
import { show } from "./frame.js";

const FAULTS = ["refuse", "slow", "time_out"];
const NONE = "none";

function faults() {
  const place = el("div");
  const error = el("p", { class: "error", role: "alert" });
  const ask = async (method, body) => {
    put(error);
    try {
      put(place, whole(await fetchPage(method, "/sandbox/faults/", body), ask));
    } catch (problem) {
      put(error, problem.message);
    }
  };
  ask("GET");
  return [el("p", {}, t("s.faults_about")), error, place];
}

const whole = (page, ask) => (page.results).map((one) => provider(one, ask));

function provider(one, ask) {
  const name = one.provider;
  const choice = el("select", { "aria-label": t("s.fault") }, FAULTS.map((it) => el("option", { value: it, selected: it === one.fault }, t(`s.fault_${it}`))));
  const times = el("input", { inputmode: "numeric", dir: "ltr", "aria-label": t("s.times"), placeholder: t("s.times") });
  const now = one.fault !== NONE ? t("s.fault_now", { fault: t(`s.fault_${one.fault}`), n: one.remaining === null ? t("s.ever") : number(one.remaining) }) : t("s.fault_none");
  return el("section", { class: "card", "data-provider": name },
    el("h2", {}, el("bdi", { dir: "ltr" }, name)), el("p", { "data-fault": one.fault }, now),
    el("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      const count = Number(ascii(times.value.trim()));
      ask("POST", { provider: name, fault: choice.value, ...(count > 0 && { count }) });
    } }, choice, times, el("button", { class: "go", "data-do": "set" }, t("s.fault_set")),
      el("button", { type: "button", "data-do": "reset", onclick: () => ask("POST", { provider: name, fault: NONE }) }, t("s.fault_reset"))));
}

show("faults", faults);
