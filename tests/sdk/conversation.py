"""Two people chat with stock WebSocket clients: `python conversation.py BASE MOBILE [WSCAT]`.

What docs/chat-sockets.md says, as people who read it write it: Ann with the package `websockets`, Bob
with `wscat` (the command WSCAT) or with `websockets` again.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from waiting import wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

PATIENCE = 30
TYPED = Subprotocol("peyk.v1")


def ask(method: str, url: str, bearer: str = "", body: object = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def log_in(base: str, mobile: str) -> str:
    status, sent = ask("POST", f"{base}/api/otp/send/", body={"mobile_number": mobile})
    assert status in (200, 202), sent
    query = urllib.parse.urlencode({"mobile_number": mobile})

    def look() -> str | None:
        inbox = ask("GET", f"{base}/sandbox/messages/?{query}")[1]["results"]
        return next((message["code"] for message in inbox if message["code"]), None)

    body = {"mobile_number": mobile, "code": wait_for("a text in the sandbox inbox", look)}
    status, login = ask("POST", f"{base}/api/authenticate/", body=body)
    assert status == 200, login
    return str(login["access"])


def until(socket: Connection, kind: str) -> dict[str, Any]:
    """The next frame of this type; others may come before it."""
    while True:
        frame: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
        if frame["type"] == kind:
            return frame


def say(socket: Connection, **frame: object) -> None:
    socket.send(json.dumps(frame))


def refused(url: str) -> int:
    """With which status a socket is not opened."""
    try:
        with connect(url):
            raise AssertionError("it was opened")
    except InvalidStatus as answer:
        return int(answer.response.status_code)


def speak(ws: str, room: int, ann: str, bob: str) -> int:
    """A conversation of two; how far it went."""
    path = f"{ws}/api/chat/{room}/"
    with (
        connect(path, additional_headers={"Authorization": f"Bearer {ann}"}, subprotocols=[TYPED]) as here,
        # As a browser shows a token.
        connect(path, subprotocols=[TYPED, Subprotocol("bearer"), Subprotocol(bob)]) as there,
    ):
        assert (here.subprotocol, there.subprotocol) == (TYPED, TYPED)
        for socket in (here, there):
            until(socket, "heartbeat")
        say(here, message="سلام", client_id="c-1")
        ack, heard = until(here, "ack"), until(there, "chat_message")
        assert (heard["message"], heard["id"]) == ("سلام", ack["id"]), heard
        say(here, message="سلام", client_id="c-1")
        again = until(here, "ack")
        assert (again["id"], again["repeated"]) == (ack["id"], True), again
        say(here, type="typing")
        assert until(there, "typing")["on"] is True
        say(there, type="read", seq=heard["seq"])
        assert until(here, "read")["seq"] == heard["seq"]
        say(here, type="edit", id=ack["id"], message="سلام!")
        assert until(there, "message_edited")["message"] == "سلام!"
        say(there, type="react", id=ack["id"], emoji="👍")
        assert until(here, "reaction")["data"]["count"] == 1
        say(here, message="")
        assert until(here, "error")["code"] == "validation"
        say(here, type="delete", id=ack["id"])
        last = until(there, "message_deleted")
        assert last["id"] == ack["id"], last
        say(there, type="ping")
        until(there, "pong")
        return int(last["seq"])


def come_back(base: str, ws: str, room: int, since: int, ann: str, bob: str) -> None:
    texts = ["یک", "دو", "سه"]
    for text in texts:
        status, posted = ask("POST", f"{base}/api/chat/messages/", bob, {"chat_room": room, "text": text})
        assert status == 201, posted
    with connect(f"{ws}/chat/{room}/?since={since}&token={ann}") as socket:
        missed = [until(socket, "chat_message") for _ in texts]
        assert [frame["message"] for frame in missed] == texts, missed
        assert [frame["seq"] for frame in missed] == [since + 1, since + 2, since + 3], missed
        assert until(socket, "resumed")["head"] == since + 3


def hear_all(base: str, ws: str, room: int, ann: str, bob: str) -> None:
    """One socket for all rooms, by a ticket that works once; and the end of the room."""
    status, bought = ask("POST", f"{base}/api/chat/ticket/", ann)
    assert status in (200, 201), bought
    url = f"{ws}/api/chat/ws/?ticket={bought['ticket']}"
    with connect(url) as socket, connect(f"{ws}/chat/{room}/?token={bob}") as old:
        assert str(room) in until(socket, "heartbeat")["heads"]
        assert refused(url) == 401, "a ticket works once"
        say(socket, room=room, message="to one of all")
        assert until(old, "chat_message")["message"] == "to one of all"
        status, gone = ask("DELETE", f"{base}/api/chat/chatrooms/{room}/", bob)
        assert status in (200, 204), gone
        try:
            while True:
                old.recv(timeout=PATIENCE)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 4404, closed
    assert refused(f"{ws}/chat/{room}/?token={ann}") == 404


def with_wscat(wscat: str, ws: str, room: int, ann: str, bob: str) -> None:
    """Bob says something with wscat, at the address of django-chelseru-chat."""
    with connect(f"{ws}/chat/{room}/?token={ann}") as here:
        words = json.dumps({"message": "from a terminal"})
        command = [wscat, "-c", f"{ws}/ws/chat/{room}/?token={bob}", "-x", words, "-w", str(PATIENCE)]
        # It ends with what it reads from.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shown:
            heard = until(here, "chat_message")
            assert heard["message"] == "from a terminal", heard
            assert shown.stdout is not None
            line = next(line for line in shown.stdout if "from a terminal" in line)
            shown.terminate()
        frame = json.loads(line[line.index("{") :])
        assert frame["sender"] == heard["sender"]["username"], frame


def main(base: str, mobile: str, wscat: str = "") -> None:
    other = f"{mobile[:-2]}{(int(mobile[-2]) + 1) % 10}{mobile[-1]}"
    ann, bob = log_in(base, mobile), log_in(base, other)
    ws = base.replace("http", "ws", 1)
    status, me = ask("GET", f"{base}/api/me/", bob)
    assert status == 200, me
    status, made = ask("POST", f"{base}/api/chat/chatrooms/", ann, {"user_id": me["id"]})
    assert status == 201, made
    room = made["id"]
    assert refused(f"{ws}/chat/{room}/") == 401
    since = speak(ws, room, ann, bob)
    come_back(base, ws, room, since, ann, bob)
    if wscat:
        with_wscat(wscat, ws, room, ann, bob)
    hear_all(base, ws, room, ann, bob)
    print("chatted over WebSockets" + (" and with wscat" if wscat else ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
