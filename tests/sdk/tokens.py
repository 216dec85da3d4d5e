"""Lets the libraries of resource servers read Peyk's tokens: `python tokens.py BASE MOBILE ALGORITHM`.

ALGORITHM is ES256 (PyJWT and djangorestframework-simplejwt, by the published keys) or HS256 (simplejwt
with the secret in SECRET, as a Django had it, whose own refresh tokens are exchanged, too).
ISSUER and AUDIENCE are those of the tokens.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import django
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from waiting import wait_for

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
SECRET = os.environ.get("SECRET", "")


def ask(url: str, body: dict | None = None, bearer: str | None = None) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def log_in(base: str, mobile: str) -> dict:
    status, sent = ask(f"{base}/api/otp/send/", {"mobile_number": mobile})
    assert status in (200, 202), sent
    query = urllib.parse.urlencode({"mobile_number": mobile})

    def look() -> str | None:
        inbox = ask(f"{base}/sandbox/messages/?{query}")[1]["results"]
        return next((message["code"] for message in inbox if message["code"]), None)

    body = {"mobile_number": mobile, "code": wait_for("a text in the sandbox inbox", look)}
    status, login = ask(f"{base}/api/authenticate/", body)
    assert status == 200, login
    return login


def refused(read, token: str) -> bool:
    """Whether reading the token fails."""
    try:
        read(token)
    except Exception:  # noqa: BLE001 - every library has errors of its own
        return True
    return False


def tampered(token: str) -> str:
    head, claims, signature = token.split(".")
    other = "A" if signature[10] != "A" else "B"
    return f"{head}.{claims}.{signature[:10]}{other}{signature[11:]}"


def start_django(**simple_jwt) -> None:
    settings.configure(
        SECRET_KEY="of-no-meaning-here-but-it-has-to-be-long-enough",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        SIMPLE_JWT={"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, **simple_jwt},
        USE_TZ=True,
    )
    django.setup()


def check_simplejwt(access: str, refresh: str, user: dict) -> None:
    """What a view behind `JWTStatelessUserAuthentication` does with a request."""
    from django.test import RequestFactory
    from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
    from rest_framework_simplejwt.tokens import AccessToken

    def authenticate(token: str):
        request = RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")
        return JWTStatelessUserAuthentication().authenticate(request)

    caller, token = authenticate(access)
    assert str(caller.id) == str(user["id"]) and caller.is_authenticated, caller
    assert token["token_type"] == "access" and len(token["jti"]) == 32, token
    assert AccessToken(access)["sid"].isdigit()
    for bad in (tampered(access), refresh, access[:-1], ""):
        assert refused(AccessToken, bad), bad
    assert refused(authenticate, tampered(access))


def check_es256(base: str, access: str, refresh: str, user: dict) -> None:
    url = f"{base}/.well-known/jwks.json"
    keys = jwt.PyJWKClient(url)

    def read(token: str) -> dict:
        key = keys.get_signing_key_from_jwt(token)
        required = ["exp", "iat", "jti", "iss", "aud"]
        options = {"require": required}
        return jwt.decode(
            token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, options=options
        )

    claims = read(access)
    assert claims["user_id"] == str(user["id"]) and claims["token_type"] == "access", claims
    for bad in (tampered(access), refresh, access[:-1]):
        assert refused(read, bad), bad

    key = keys.get_signing_key_from_jwt(access).key
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    start_django(ALGORITHM="ES256", SIGNING_KEY="", VERIFYING_KEY=pem)
    check_simplejwt(access, refresh, user)
    from rest_framework_simplejwt.backends import TokenBackend

    by_url = TokenBackend("ES256", "", "", AUDIENCE, ISSUER, url, 0)
    assert by_url.decode(access)["user_id"] == str(user["id"])
    assert refused(by_url.decode, tampered(access))


def check_hs256(base: str, access: str, refresh: str, user: dict) -> None:
    start_django(ALGORITHM="HS256", SIGNING_KEY=SECRET)
    check_simplejwt(access, refresh, user)
    from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

    assert RefreshToken(refresh)["user_id"] == str(user["id"])
    # What a Django gave out before the move.
    old = RefreshToken()
    old["user_id"] = user["id"]
    status, taken_over = ask(f"{base}/api/token/refresh/", {"refresh": str(old)})
    assert status == 200, taken_over
    assert AccessToken(taken_over["access"])["user_id"] == str(user["id"])
    assert ask(f"{base}/api/me/", bearer=taken_over["access"])[1]["id"] == user["id"]
    status, again = ask(f"{base}/api/token/refresh/", {"refresh": str(old)})
    # An answer may get lost: asked again within the grace, it is the same successor.
    assert (status, again["refresh"]) == (200, taken_over["refresh"]), again
    old_access = old.access_token
    for body, path in (({"refresh": str(old_access)}, "refresh"), ({"token": str(old_access)}, "verify")):
        status, said = ask(f"{base}/api/token/{path}/", body)
        assert status == 401, said


def main(base: str, mobile: str, algorithm: str) -> None:
    login = log_in(base, mobile)
    status, refreshed = ask(f"{base}/api/token/refresh/", {"refresh": login["refresh"]})
    assert status == 200, refreshed
    assert jwt.get_unverified_header(refreshed["access"])["alg"] == algorithm
    check = check_es256 if algorithm == "ES256" else check_hs256
    check(base, refreshed["access"], refreshed["refresh"], login["user"])
    print(f"{algorithm}: tokens of {login['user']['username']} are read")


if __name__ == "__main__":
    main(*sys.argv[1:])
