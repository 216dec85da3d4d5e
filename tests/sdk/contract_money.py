"""Money for script/contract: payments at the sandbox bank, wallets that hold something, and requests
about both that succeed.

`prepare` is as that of `contract_people`: token, body, what the path names, the query, the headers.
"""

import os
import subprocess
import urllib.parse
import urllib.request

import contract_people as people

KEY = os.environ["PEYK_CONTRACT_KEY"]
# A connection string, and the psql to use it with. Two operations decide what nobody else can say,
# which takes a day to come about by itself, so it is written; without these they never succeed.
DATABASE = os.environ.get("PEYK_CONTRACT_DATABASE", "")
PSQL = os.environ.get("PEYK_CONTRACT_PSQL", "psql")

FORM = "application/x-www-form-urlencoded"
RIALS = 50_000
NOTE = {"note": "Found in the gateway's panel."}


def asked(**more: object) -> dict[str, object]:
    """A payment to ask for, in whatever currency is the usual one."""
    return {"amount": RIALS, "order_id": f"order-{people.unique()}", "description": "کتاب", **more}


def begun(**more: object) -> tuple[dict, dict]:
    """A payer, and a payment that waits at the bank."""
    payer = people.person()
    return payer, people.call("POST", "/api/payment/create/", asked(**more), payer["access"])


def press(button: str, payment: dict) -> dict[str, str]:
    """Presses a button of the bank's page; what the way back brings."""
    form = urllib.parse.urlencode({"action": button}).encode()
    urllib.request.urlopen(payment["details"]["gateway_url"], form).close()
    status = "OK" if button == "close" else "NOK"
    return {"Authority": payment["details"]["authority"], "Status": status}


def paid(**more: object) -> tuple[dict, dict]:
    """A payer, and a payment of theirs that is paid."""
    payer, payment = begun(**more)
    query = urllib.parse.urlencode(press("close", payment))
    people.call("GET", f"/api/payment/verify/?{query}")
    return payer, payment


def sql(statement: str, payment: int) -> None:
    """Says something of a payment in the database."""
    command = [PSQL, DATABASE, "-qX", "-v", "ON_ERROR_STOP=1", "-c", statement % payment]
    subprocess.run(command, check=True)


def in_review() -> int:
    """A payment that a person has to decide."""
    _, payment = begun()
    sql("UPDATE payments SET state = 'needs_review', reason = 'contract' WHERE id = %d", payment["id"])
    return payment["id"]


def lost_return() -> int:
    """A payment whose money went back, or not: nobody can say."""
    _, payment = paid()
    sql(
        "INSERT INTO payment_returns (payment_id, action, state, created_at, ended_at)"
        " VALUES (%d, 'refund', 'unknown', now(), now())",
        payment["id"],
    )
    return payment["id"]


def key() -> dict[str, str]:
    return {"X-API-Key": KEY, "Idempotency-Key": f"contract-{people.unique()}"}


def server(path: str, body: dict) -> dict:
    """Does something as the shop's server."""
    return people.call("POST", path, body, headers=key())


def owner() -> int:
    """Somebody with money in the wallet."""
    return paid(pay_mode=1)[0]["user"]["id"]


def hold() -> int:
    """Money that is set aside."""
    return server("/api/wallet/hold/", {"user_id": owner(), "amount": RIALS // 2})["id"]


def of_payer(label: str) -> tuple | None:
    """What a payer does, and whoever comes back."""
    match label:
        case "POST /api/payment/create/":
            return people.person()["access"], asked()
        case "GET /api/payment/":
            return paid()[0]["access"], None, None, {"status": "paid"}
        case "GET /api/payment/{id}/":
            payer, payment = paid()
            return payer["access"], None, {"id": payment["id"]}
        case "GET /api/payment/status/{handle}/":
            _, payment = begun()
            return None, None, {"handle": payment["status_url"].rstrip("/").rsplit("/", 1)[1]}
        case "GET /api/payment/verify/":
            button = ("close", "cancel")[people.unique() % 2]
            return None, None, None, press(button, begun()[1])
        case "POST /api/payment/verify/":
            # The form of a real way back has more in it than is documented of it.
            return None, press("close", begun()[1])
        case "GET /api/wallet/" | "GET /api/wallet/entries/":
            return (paid(pay_mode=1)[0]["access"],)
    return None


def of_staff(label: str) -> tuple | None:
    """What staff do."""
    token = people.admins_token
    match label:
        case "GET /api/admin/wallets/":
            return token(), None, None, {"sort": "balance"}
        case "GET /api/admin/payments/":
            return token(), None, None, {"state": "paid", "gateway": "sandbox"}
        case "GET /api/admin/payments/{id}/" | "GET /api/payment/{id}/returns/":
            return token(), None, {"id": paid()[1]["id"]}
        case "POST /api/admin/payments/{id}/look/":
            _, payment = begun()
            press("close", payment)
            return token(), None, {"id": payment["id"]}
        case "POST /api/payment/{id}/reverse/" | "POST /api/payment/{id}/refund/":
            return token(), {"note": "ordered twice"}, {"id": paid()[1]["id"]}
        case "POST /api/admin/payments/{id}/settle/" if DATABASE:
            state = ("paid", "failed", "cancelled")[people.unique() % 3]
            return token(), {"state": state, **NOTE}, {"id": in_review()}
        case "POST /api/payment/{id}/returns/settle/" if DATABASE:
            status = ("done", "refused")[people.unique() % 2]
            return token(), {"status": status, **NOTE}, {"id": lost_return()}
        case "GET /api/admin/wallets/{user_id}/" | "GET /api/admin/wallets/{user_id}/entries/":
            return token(), None, {"user_id": owner()}
        case "POST /api/admin/wallets/{user_id}/adjust/":
            body = {"amount": RIALS, "reason": "A present"}
            path = {"user_id": people.person()["user"]["id"]}
            return token(), body, path, None, {"Idempotency-Key": f"contract-{people.unique()}"}
    return None


def of_server(label: str) -> tuple | None:
    """What a shop's server does with its key."""
    match label:
        case "GET /api/wallet/users/{user_id}/" | "GET /api/wallet/users/{user_id}/entries/":
            return None, None, {"user_id": owner()}, None, key()
        case "POST /api/wallet/spend/" | "POST /api/wallet/hold/":
            return None, {"user_id": owner(), "amount": RIALS // 2}, None, None, key()
        case "POST /api/wallet/transfer/":
            other = people.person()["user"]["id"]
            body = {"from_user_id": owner(), "to_user_id": other, "amount": RIALS // 2}
            return None, body, None, None, key()
        case "POST /api/wallet/hold/{id}/capture/":
            return None, {"amount": RIALS // 4}, {"id": hold()}, None, key()
        case "POST /api/wallet/hold/{id}/release/":
            return None, {}, {"id": hold()}, None, key()
    return None


def prepare(label: str) -> tuple | None:
    """What a case about money has to have; `None` for operations about something else."""
    staff = of_staff(label) if people.ADMIN else None
    return of_payer(label) or of_server(label) or staff
