"""What script/contract adds to Schemathesis.

Generated data is no phone number and no code, so left alone it would hardly ever get past the
validation. Here half of the valid cases get numbers, codes and handles that work, so that every
operation is seen to succeed too. Half of the invalid ones get a login or a key, so that what is invalid
about them is seen to be refused. The others stay as they were generated.

Also counts which operation answered what, for the script to print.
"""

import atexit
import collections
import os
import sys
import time
import urllib.error

import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import contract_money as money  # noqa: E402
import contract_people as people  # noqa: E402

COUNTS = os.environ["PEYK_CONTRACT_COUNTS"]
KEY = os.environ["PEYK_CONTRACT_KEY"]

answers: collections.Counter[tuple[str, int]] = collections.Counter()
seen: collections.Counter[tuple[str, bool]] = collections.Counter()
handles: list[str] = []
messages: list[int] = []
bulks: list[str] = []


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    if case.meta is None:
        return
    if is_broken(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        case.body = {name: no_text(case, name, value) for name, value in case.body.items()}
    if getattr(case.meta.phase.data, "parameter", None) in ("Authorization", "X-API-Key"):
        # That it is not there is what is invalid.
        return
    # Every other one stays as it is. By number, not by what is in it: some have nothing in them.
    number = seen[case.operation.label, is_broken(case)]
    seen[case.operation.label, is_broken(case)] += 1
    if number % 2:
        return
    if "/message/" in case.operation.path:
        case.headers = {**(case.headers or {}), "X-API-Key": KEY}
    try:
        lend(case, number)
    except urllib.error.HTTPError as refused:
        # Somebody else's case may have taken what was made for this one; it is tried as it is.
        print(f"{case.operation.label}: {refused.url} answered {refused.code}", file=sys.stderr)


def no_text(case: schemathesis.Case, name: str, value: object) -> object:
    """What is in the place of a text, or of anything else. A number is read as one, as the old system
    does, so something that is not."""
    document = case.operation.schema.raw_schema
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    for kind in content.values():
        body = document["components"]["schemas"][kind["schema"]["$ref"].rsplit("/", 1)[1]]
        field = body.get("properties", {}).get(name, {})
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if field.get("type") == "string" and is_number:
            return []
    return value


def is_broken(case: schemathesis.Case, where: ParameterLocation | None = None) -> bool:
    """Whether a case, or this part of it, is invalid on purpose."""
    if where is None:
        return case.meta.generation.mode != GenerationMode.POSITIVE
    part = case.meta.components.get(where)
    return part is not None and part.mode != GenerationMode.POSITIVE


def lend(case: schemathesis.Case, number: int) -> None:
    """Gives a case data that work, but where it is invalid on purpose: so that is what is refused."""
    lent = people.prepare(case.operation.label, number) or money.prepare(case.operation.label)
    if lent is not None:
        give(case, *lent)
        return
    if is_broken(case):
        return
    body = people.body_of(case.operation.label)
    if body is not None:
        case.body = body
        return
    match case.operation.label:
        # Few numbers: some have been sent a code a moment ago. None that rehearses a failure (those
        # end in 1, 2 or 3).
        case "POST /api/otp/send/" if isinstance(case.body, dict):
            case.body = {**case.body, "mobile_number": f"0912{number // 2 % 60:06}9"}
        case "POST /api/authenticate/" if isinstance(case.body, dict):
            case.body = {**case.body, **people.fresh_login(), "group": number // 2 % 2}
        case "POST /api/token/refresh/" | "POST /api/token/blacklist/" | "POST /api/logout/":
            case.body = {"refresh": people.person()["refresh"]}
        case "POST /api/token/verify/":
            case.body = {"token": people.person()[("access", "refresh")[number // 2 % 2]]}
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


def give(
    case: schemathesis.Case,
    token: str | None = None,
    body: object = None,
    path: dict | None = None,
    query: dict | None = None,
    headers: dict | None = None,
) -> None:
    """Puts into a case what it has to have; `None`: that stays as it is, and so does what is broken."""
    if token:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
    if headers is not None and is_broken(case, ParameterLocation.HEADER):
        headers = {name: value for name, value in headers.items() if name == "X-API-Key"}
    case.headers = {**(case.headers or {}), **(headers or {})}
    if body is not None and not is_broken(case, ParameterLocation.BODY):
        case.body = body
    if path is not None and not is_broken(case, ParameterLocation.PATH):
        case.path_parameters = path
    if query is not None and not is_broken(case, ParameterLocation.QUERY):
        case.query = query


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
