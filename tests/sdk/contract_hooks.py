"""What script/contract adds to Schemathesis.

Generated data is no phone number and no code, so left alone it would hardly ever get past the
validation. Here some of the valid cases get numbers, codes and handles that work, so that every
operation is seen to succeed too; the others, and all invalid cases, stay as they were generated.

Also counts which operation answered what, for the script to print.
"""

import atexit
import collections
import hashlib
import json
import os
import time
import urllib.parse
import urllib.request

import schemathesis
from schemathesis import GenerationMode

BASE = os.environ["PEYK_CONTRACT_BASE"]
COUNTS = os.environ["PEYK_CONTRACT_COUNTS"]
KEY = os.environ["PEYK_CONTRACT_KEY"]

answers: collections.Counter[tuple[str, int]] = collections.Counter()
handles: list[str] = []
messages: list[int] = []
bulks: list[str] = []
# Not the numbers of an earlier run, which may still be in their cool-down.
logins = int(time.time())


def draw(case: schemathesis.Case) -> int:
    """A number that depends on the generated data alone, so that a run can be repeated."""
    data = json.dumps([case.body, case.path_parameters, case.query], default=str, sort_keys=True)
    return int.from_bytes(hashlib.sha256(data.encode("utf-8", "replace")).digest()[:4], "big")


def fresh_login() -> dict[str, object]:
    """A number that was just sent a code, with the code."""
    global logins
    logins += 1
    number = f"0935{logins % 1_000_000:06}9"
    request = urllib.request.Request(
        f"{BASE}/api/otp/send/",
        data=json.dumps({"mobile_number": number}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        request_id = json.load(answer)["request_id"]
    query = urllib.parse.urlencode({"mobile_number": number})
    for _ in range(100):
        with urllib.request.urlopen(f"{BASE}/sandbox/messages/?{query}") as answer:
            for message in json.load(answer)["results"]:
                if message["code"]:
                    code = message["code"]
                    return {"mobile_number": number, "code": code, "request_id": request_id}
        time.sleep(0.05)
    raise RuntimeError("no text arrived in the sandbox inbox")


def fresh_tokens() -> dict[str, str]:
    """The tokens of a login of a moment ago: most operations use them up."""
    request = urllib.request.Request(
        f"{BASE}/api/authenticate/",
        data=json.dumps(fresh_login()).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    number = draw(case)
    if number % 2 == 0:
        return
    if "/message/" in case.operation.path:
        case.headers = {**(case.headers or {}), "X-API-Key": KEY}
    match case.operation.label:
        # Few numbers: some have been sent a code a moment ago. None that rehearses a failure (those
        # end in 1, 2 or 3).
        case "POST /api/otp/send/" if isinstance(case.body, dict):
            case.body = {**case.body, "mobile_number": f"0912{number // 2 % 60:06}9"}
        case "POST /api/authenticate/" if isinstance(case.body, dict):
            case.body = {**case.body, **fresh_login(), "group": number // 2 % 2}
        case "POST /api/token/refresh/" | "POST /api/token/blacklist/" | "POST /api/logout/":
            case.body = {"refresh": fresh_tokens()["refresh"]}
        case "POST /api/token/verify/":
            case.body = {"token": fresh_tokens()[("access", "refresh")[number // 2 % 2]]}
        case "GET /api/otp/{request_id}/" if handles:
            case.path_parameters = {"request_id": handles[number // 2 % len(handles)]}
        # Free texts: no template is configured. Every other one waits, so that it can be cancelled.
        case "POST /api/message/send/" if isinstance(case.body, dict):
            case.body = text(number, {"mobile_number": f"0913{number // 2 % 60:06}9"})
        case "POST /api/message/bulk/" if isinstance(case.body, dict):
            numbers = [f"0914{(number + n) % 1000:06}9" for n in range(3)]
            case.body = text(number, {"mobile_numbers": numbers})
        case "GET /api/message/{id}/" | "POST /api/message/{id}/cancel/" if messages:
            case.path_parameters = {"id": messages[number // 2 % len(messages)]}
        case "POST /api/message/bulk/{bulk_id}/cancel/" if bulks:
            case.path_parameters = {"bulk_id": bulks[number // 2 % len(bulks)]}


def text(number: int, to: dict[str, object]) -> dict[str, object]:
    """A text to somebody."""
    body = {**to, "message_text": f"سلام {number}"}
    if number // 2 % 2:
        tomorrow = time.gmtime(time.time() + 86_400)
        body["send_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", tomorrow)
    return body


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response) -> None:
    if case.method != case.operation.method.upper():
        answers["(other methods)", response.status_code] += 1
        return
    answers[case.operation.label, response.status_code] += 1
    if case.operation.label == "POST /api/otp/send/" and response.status_code in (200, 202):
        handles.append(response.json()["request_id"])
    if case.operation.label == "POST /api/message/send/" and response.status_code in (200, 202):
        messages.append(response.json()["id"])
    if case.operation.label == "POST /api/message/bulk/" and response.status_code == 202:
        bulks.append(response.json()["bulk_id"])


@atexit.register
def write_counts() -> None:
    with open(COUNTS, "w", encoding="utf-8") as file:
        for (operation, status), count in sorted(answers.items()):
            file.write(f"{operation}\t{status}\t{count}\n")
