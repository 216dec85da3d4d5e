"""Says whether the people of the old site get into the Peyk they were imported to.

    python afterwards.py URL EXPECTED.json

With their old passwords, whatever hashed them, and with the refresh tokens that simplejwt gave them. Then
one of them looks at what is left of their chats.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.request

url, expected = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
PASSWORD = "horse-battery-9"
wrong = []


def ask(path, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def check(what, found, wanted):
    if found != wanted:
        wrong.append(f"{what}: {found}, not {wanted}")


def log_in(username, password):
    return ask("login/", {"username": username, "password": password})


tried = 0
for key, row in expected["here"]["users"].items():
    username, is_active, password = row[0], row[3], row[4]
    if password is None:
        continue
    tried += 1
    status, _ = log_in(username, PASSWORD + "-wrong")
    check(f"{username} with a wrong password", status, 401)
    # Once with the hash of Django, once with the one that took its place.
    for _ in range(2):
        status, body = log_in(username, PASSWORD)
        check(username, (status, body.get("user", {}).get("id")),
              (200, int(key)) if is_active else (401, None))
check("passwords of so many kinds", tried >= 8, True)

for key, token in expected["tokens"].items():
    status, pair = ask("token/refresh/", {"refresh": token})
    check(f"the token of {key}", status, 200)
    status, me = ask("me/", token=pair.get("access"))
    check(f"whose token that of {key} is", (status, me.get("id")), (200, int(key)))
    status, again = ask("token/refresh/", {"refresh": token})
    check(f"the token of {key} once more", again.get("refresh"), pair.get("refresh"))
check("tokens", len(expected["tokens"]) >= 2, True)

here = expected["here"]
sara = next(key for key, row in here["users"].items() if row[0] == "sara")
_, body = log_in("sara", PASSWORD)
_, rooms = ask("chat/chatrooms/", token=body["access"])
wanted = {int(key): row[8] for key, row in here["rooms"].items() if sara in row[6]}
check("rooms", {room["id"]: room["head"] for room in rooms}, wanted)
check("what is unread", {room["unread_count"] for room in rooms}, {0})
key, row = min(here["files"].items(), key=lambda item: int(item[0]))
_, message = ask(f"chat/messages/{row[2]}/", token=body["access"])
with urllib.request.urlopen(message["file_url"]) as answer:
    check("a file", hashlib.sha256(answer.read()).hexdigest(), row[7])
print("\n".join(wrong))
sys.exit(bool(wrong))
