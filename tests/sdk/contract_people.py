"""People for script/contract: accounts, what they own, and requests of theirs that succeed.

`prepare` gives for an operation that needs a login what a case has to have: a token, and perhaps a
body and what its path names. Most operations use up what they are given, so it is made anew.
"""

import json
import os
import time
import urllib.parse
import urllib.request

from waiting import wait_for

BASE = os.environ["PEYK_CONTRACT_BASE"]
# NAME:PASSWORD of an admin; without one no operation of staff is seen to succeed.
ADMIN = os.environ.get("PEYK_CONTRACT_ADMIN", "")
PASSWORD = "horse-battery-9"
# For how long a token is taken for good; it lives 300 seconds.
TOKEN_SECONDS = 120

# Not the numbers and names of an earlier run, which may still be in their cool-down.
count = int(time.time())
admin: tuple[float, str] = (0.0, "")


def call(
    method: str,
    path: str,
    body: object = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
):
    headers = {"Content-Type": "application/json", **(headers or {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}{path}", data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def unique() -> int:
    global count
    count += 1
    return count


def fresh_number() -> str:
    """No number that rehearses a failure: those end in 1, 2 or 3."""
    return f"0935{unique() % 1_000_000:06}9"


def code_in_inbox(number: str, how_many: int = 1) -> str:
    """The code of the latest of so many texts."""
    query = urllib.parse.urlencode({"mobile_number": number})

    def look() -> str | None:
        results = call("GET", f"/sandbox/messages/?{query}")["results"]
        codes = [message["code"] for message in results if message["code"]]
        return codes[0] if len(codes) >= how_many else None

    return wait_for("a text in the sandbox inbox", look)


def fresh_login() -> dict[str, object]:
    """A number that was just sent a code, with the code."""
    number = fresh_number()
    sent = call("POST", "/api/otp/send/", {"mobile_number": number})
    return {"mobile_number": number, "code": code_in_inbox(number), "request_id": sent["request_id"]}


def person() -> dict:
    """Somebody who logged in a moment ago: `access`, `refresh`, `user`."""
    return call("POST", "/api/authenticate/", fresh_login())


def credentials() -> dict[str, str]:
    """The name and password of a new account."""
    name = {"username": f"contract-{unique()}", "password": PASSWORD}
    call("POST", "/api/register/", {**name, "password2": PASSWORD})
    return name


def organization() -> tuple[str, int]:
    """An owner's token, and what they own."""
    owner = person()["access"]
    body = {"name": "Shop", "uname": f"shop_{unique()}"}
    return owner, call("POST", "/api/organizations/", body, owner)["id"]


def invited() -> tuple[str, int, dict, int]:
    """An owner's token and organization, and somebody with an invitation to it."""
    owner, shop = organization()
    guest = person()
    body = {"mobile_number": guest["user"]["mobile_number"]}
    call("POST", f"/api/organizations/{shop}/invitations/", body, owner)
    invitation = call("GET", "/api/invitations/", token=guest["access"])["results"][0]["id"]
    return owner, shop, guest, invitation


def with_member() -> tuple[str, int, int]:
    """An owner's token, the organization and another member of it."""
    owner, shop, guest, invitation = invited()
    call("POST", f"/api/invitations/{invitation}/accept/", {}, guest["access"])
    return owner, shop, guest["user"]["id"]


def admins_token() -> str:
    global admin
    if time.monotonic() > admin[0]:
        username, password = ADMIN.split(":", 1)
        body = {"username": username, "password": password}
        admin = time.monotonic() + TOKEN_SECONDS, call("POST", "/api/login/", body)["access"]
    return admin[1]


def staff(path: dict | None = None) -> tuple:
    return admins_token(), None, path


def changing_number(send: str, member: str) -> tuple[str, str]:
    """The token and the number of somebody who was just sent a code to a new number."""
    token, number = person()["access"], fresh_number()
    written = number if member == "mobile_number" else f"+98{number[1:]}"
    call("POST", send, {member: written}, token)
    return token, number


def sms_auth(number: str) -> dict[str, object]:
    return {"phone_number": f"+98{number[1:]}", "code": code_in_inbox(number)}


def prepare(label: str, number: int) -> tuple | None:
    """Token, body and what the path names, each `None` where it stays as it is; `None` for
    operations that nobody has to log in for."""
    match label:
        case "GET /api/me/" | "GET /api/sessions/" | "GET /api/organizations/":
            return person()["access"], None, None
        case "GET /api/invitations/" | "POST /api/sessions/revoke_others/" | "DELETE /api/me/":
            return person()["access"], None, None
        case "POST /api/me/confirm/send/":
            return person()["access"], None, None
        case "PATCH /api/me/":
            return person()["access"], {"first_name": "سارا", "email": "sara@example.org"}, None
        case "POST /api/me/confirm/":
            token = call("POST", "/api/login/", credentials())["access"]
            return token, {"password": PASSWORD}, None
        case "POST /api/me/password/":
            return person()["access"], {"password": PASSWORD, "password2": PASSWORD}, None
        case "POST /api/me/phone/":
            return person()["access"], {"mobile_number": fresh_number()}, None
        case "POST /api/me/phone/confirm/":
            token, new = changing_number("/api/me/phone/", "mobile_number")
            return token, {"code": code_in_inbox(new)}, None
        case "DELETE /api/sessions/{id}/":
            token = person()["access"]
            return token, None, {"id": call("GET", "/api/sessions/", token=token)[0]["id"]}
        case "POST /api/organizations/":
            return person()["access"], {"name": "Shop", "uname": f"shop_{unique()}"}, None
        case "GET /api/organizations/{id}/" | "DELETE /api/organizations/{id}/":
            token, shop = organization()
            return token, None, {"id": shop}
        case "PATCH /api/organizations/{id}/":
            token, shop = organization()
            return token, {"name": "Another"}, {"id": shop}
        case "GET /api/organizations/{id}/members/" | "GET /api/organizations/{id}/invitations/":
            token, shop = organization()
            return token, None, {"id": shop}
        case "POST /api/organizations/{id}/invitations/":
            token, shop = organization()
            return token, {"mobile_number": fresh_number()}, {"id": shop}
        case "DELETE /api/organizations/{id}/invitations/{invitation_id}/":
            token, shop, _, invitation = invited()
            return token, None, {"id": shop, "invitation_id": invitation}
        case "POST /api/invitations/{id}/accept/" | "POST /api/invitations/{id}/decline/":
            _, _, guest, invitation = invited()
            return guest["access"], None, {"id": invitation}
        case "DELETE /api/organizations/{id}/members/{user_id}/":
            token, shop, member = with_member()
            return token, None, {"id": shop, "user_id": member}
        case "PATCH /api/organizations/{id}/members/{user_id}/":
            token, shop, member = with_member()
            return token, {"role": "admin"}, {"id": shop, "user_id": member}
        case "POST /api/organizations/{id}/transfer/":
            token, shop, member = with_member()
            return token, {"user_id": member}, {"id": shop}
        case "POST /auth/change-phonenumber/":
            return person()["access"], {"new_phone_number": f"+98{fresh_number()[1:]}"}, None
        case "POST /auth/auth/" if number % 4 == 0:
            token, new = changing_number("/auth/change-phonenumber/", "new_phone_number")
            return token, sms_auth(new), None
        case _ if not ADMIN:
            return None
        case "GET /api/admin/audit/" | "GET /api/admin/users/" | "GET /api/admin/templates/":
            return staff()
        case _ if label.split()[-1].startswith("/api/admin/users/{id}/"):
            user = person()["user"]["id"]
            if label.endswith("/enable/"):
                call("POST", f"/api/admin/users/{user}/disable/", {}, admins_token())
            return staff({"id": user})
    return None


def body_of(label: str) -> dict[str, object] | None:
    """A body that succeeds without a login."""
    match label:
        case "POST /api/register/":
            name = f"contract-{unique()}"
            return {"username": name, "password": PASSWORD, "password2": PASSWORD}
        case "POST /api/login/":
            return credentials()
        case "POST /api/password/reset/":
            return {"mobile_number": person()["user"]["mobile_number"]}
        case "POST /api/password/reset/confirm/":
            number = person()["user"]["mobile_number"]
            asked = call("POST", "/api/password/reset/", {"mobile_number": number})
            code = code_in_inbox(number, how_many=2)
            password = {"password": PASSWORD, "password2": PASSWORD}
            reset = {"mobile_number": number, "code": code, "request_id": asked["request_id"]}
            return {**reset, **password}
        case "POST /auth/sign-in/":
            return {"phone_number": f"+98{fresh_number()[1:]}"}
        case "POST /auth/auth/":
            number = fresh_number()
            call("POST", "/auth/sign-in/", {"phone_number": f"+98{number[1:]}"})
            return sms_auth(number)
    return None
