// Two people side by side, each with a WebSocket of their own.

import { call } from "../api.js";
import { el, put } from "../dom.js";
import { shortTime } from "../format.js";
import { t } from "../i18n.js";
import { show } from "./frame.js";
import { enter } from "./person.js";

const PEOPLE = [["s.sara", "09121000010"], ["s.omid", "09121000011"]];
const TYPING_MS = 4000;
const sockets = [];

function chat() {
  for (const socket of sockets.splice(0)) socket.close();
  const place = el("div", { class: "two" }, el("p", { role: "status" }, t("s.entering")));
  begin(place).catch((problem) => put(place, el("p", { class: "error", role: "alert" }, problem.message)));
  return [el("p", {}, t("s.chat_about")), place];
}

async function begin(place) {
  const logins = [];
  for (const [, mobile] of PEOPLE) logins.push(await enter(mobile));
  const [first, second] = logins;
  const room = await call("POST chat/chatrooms/", { bearer: first.access, body: { user_id: second.user.id } });
  put(place, PEOPLE.map(([name], who) => person(t(name), logins[who], room.id)));
}

function person(name, login, room) {
  const log = el("ol", { class: "log", "aria-live": "polite", "aria-label": t("s.log", { name }), tabindex: "0" });
  const typing = el("p", { class: "typing soft" });
  const state = el("span", { class: "badge", "data-state": "connecting" }, "…");
  const input = el("input", { "aria-label": t("s.write", { name }), placeholder: t("s.write", { name }), dir: "auto", autocomplete: "off", required: true });
  const button = el("button", { class: "go", disabled: true }, t("s.send"));
  const prefix = document.documentElement.dataset.prefix;
  const url = new URL(`${prefix}/chat/${room}/`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(`${url}?since=0`, ["bearer", login.access]);
  sockets.push(socket);
  let hides = null;

  const say = (word) => {
    state.dataset.state = word;
    put(state, t(`s.${word}`));
  };
  socket.addEventListener("open", () => {
    say("online");
    button.disabled = false;
  });
  socket.addEventListener("close", () => {
    say("offline");
    button.disabled = true;
  });
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "chat_message") {
      log.append(line(frame, login.user.id));
      log.scrollTop = log.scrollHeight;
      put(typing);
    } else if (frame.type === "typing" && frame.user_id !== login.user.id) {
      put(typing, frame.on === false ? "" : t("s.typing"));
      clearTimeout(hides);
      hides = setTimeout(() => put(typing), TYPING_MS);
    } else if (frame.type === "error") {
      put(typing, frame.message);
    }
  });
  input.addEventListener("input", () => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ type: "typing", on: true })));
  return el("section", { class: "card", "data-person": login.user.id },
    el("h2", {}, name, " ", state), log, typing,
    el("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      socket.send(JSON.stringify({ message: input.value, message_type: "text", client_id: crypto.getRandomValues(new Uint32Array(2)).join("-") }));
      input.value = "";
    } }, input, button));
}

const line = (frame, own) => el("li", { class: (frame.sender?.id ?? frame.sender) === own ? "mine" : null },
  el("span", { dir: "auto" }, frame.message), el("small", {}, shortTime(frame.created_at)));

show("chat", chat);
