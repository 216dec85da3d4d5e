"""Says whether a Peyk has what an import had to make of the old database.

    python compare.py EXPECTED.json REPORT.jsonl

The accounts of Peyk are read from standard input as JSON: {id: [username, …]}. EXPECTED.json is
fill.py's.
"""

import json
import sys
from datetime import datetime

with open(sys.argv[1], encoding="utf-8") as file:
    expected = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    report = [json.loads(line) for line in file]
here = json.load(sys.stdin)


def comparable(users):
    """Times as times, which each database writes in its own way."""
    return {key: [*user[:-1], datetime.fromisoformat(user[-1])] for key, user in users.items()}


wrong = []
wanted, found = comparable(expected["users"]), comparable(here)
for key in sorted(wanted.keys() | found.keys(), key=int):
    if wanted.get(key) != found.get(key):
        wrong.append(f"account {key}: {wanted.get(key)} became {found.get(key)}")
said = {"refused": {}, "noted": {}}
for line in report:
    if line["part"] == "users":
        said[line["outcome"]].setdefault(str(line["id"]), []).append(line["reason"])
for outcome, lines in said.items():
    wanted = {key: [reason] for key, reason in expected[outcome].items()}
    if lines != wanted:
        wrong.append(f"{outcome}: {wanted} became {lines}")
print("\n".join(wrong[:20]))
sys.exit(bool(wrong))
