"""Logs in with the generated Python client: `python login.py BASE MOBILE_NUMBER`.

Type-checked strictly, so every attribute used here is one the document promises.
"""

import json
import sys
import urllib.parse
import urllib.request

from peyk_client import Client
from peyk_client.api.authentication import authenticate, get_otp, send_otp
from peyk_client.models import (
    Authenticate,
    AuthenticateResult,
    OtpRequest,
    OtpStatus,
    Problem,
    SendOtp,
    SendOtpResult,
)
from waiting import wait_for


def sandbox_code(base: str, mobile_number: str) -> str:
    """The code in the newest text to the number; the inbox is not part of the API."""
    query = urllib.parse.urlencode({"mobile_number": mobile_number})

    def look() -> str | None:
        with urllib.request.urlopen(f"{base}/sandbox/messages/?{query}") as answer:
            inbox = json.load(answer)["results"]
        return next((str(message["code"]) for message in inbox if message["code"]), None)

    return wait_for("a text in the sandbox inbox", look)


def another(code: str) -> str:
    """A code of the same form that is not it."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def main(base: str, mobile_number: str) -> None:
    client = Client(base_url=base, raise_on_unexpected_status=True)

    invalid = send_otp.sync(client=client, body=SendOtp(mobile_number="nobody"))
    assert isinstance(invalid, Problem), invalid
    assert (invalid.status, invalid.errors[0].field) == (400, "mobile_number"), invalid

    sent = send_otp.sync(client=client, body=SendOtp(mobile_number=mobile_number))
    assert isinstance(sent, SendOtpResult), sent
    assert sent.expires_in > 0 and sent.status_url.startswith("http"), sent

    again = send_otp.sync(client=client, body=SendOtp(mobile_number=mobile_number))
    assert isinstance(again, Problem), again
    assert (again.status, again.code) == (409, "otp_cooldown"), again
    assert isinstance(again.retry_after, int) and again.retry_after > 0, again

    code = sandbox_code(base, mobile_number)
    state = get_otp.sync(sent.request_id, client=client)
    assert isinstance(state, OtpRequest), state
    assert state.status in (OtpStatus.SENT, OtpStatus.SENDING, OtpStatus.QUEUED), state
    assert state.created_at.utcoffset() is not None, state

    def log_in(code: str) -> AuthenticateResult | Problem | None:
        body = Authenticate(mobile_number=mobile_number, code=code, request_id=sent.request_id)
        return authenticate.sync(client=client, body=body)

    refused = log_in(another(code))
    assert isinstance(refused, Problem), refused
    assert (refused.status, refused.code) == (401, "otp_not_found"), refused

    result = log_in(code)
    assert isinstance(result, AuthenticateResult), result
    assert result.access.count(".") == 2 and result.refresh.count(".") == 2
    assert result.user.mobile_number == mobile_number, result.user
    print(f"logged in as {result.user.username}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
