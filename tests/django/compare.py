"""Says whether a Peyk has what an import had to make of the old database.

    python compare.py EXPECTED.json REPORT.jsonl STORAGE

What Peyk has is read from standard input as JSON: {part: {id: [column, …, time]}}. EXPECTED.json is
fill.py's. STORAGE has the files; their rows say what they are called there.
"""

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

with open(sys.argv[1], encoding="utf-8") as file:
    expected = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    report = [json.loads(line) for line in file]
here = json.load(sys.stdin)
storage = Path(sys.argv[3])
stored = [path for path in storage.rglob("*") if path.is_file()]


def comparable(rows):
    """Times as times, which each database writes in its own way."""
    return {key: [*row[:-1], datetime.fromisoformat(row[-1])] for key, row in rows.items()}


def content(handle):
    return hashlib.sha256((storage / handle[:2] / handle).read_bytes()).hexdigest()


wrong = []
for row in here["files"].values():
    row[-2] = content(row[-2])
if len(stored) != len(here["files"]):
    wrong.append(f"{len(here['files'])} files have rows, {len(stored)} are stored")
for part, rows in expected["here"].items():
    wanted, found = comparable(rows), comparable(here[part])
    for key in sorted(wanted.keys() | found.keys(), key=int):
        if wanted.get(key) != found.get(key):
            wrong.append(f"{part} {key}: {wanted.get(key)} became {found.get(key)}")
    wanted = {key: reason.split() for key, reason in expected["said"][part].items()}
    found = {}
    for line in report:
        if line["part"] == part:
            found.setdefault(str(line["id"]), []).append(line["reason"])
    if found != wanted:
        wrong.append(f"said of {part}: {wanted} became {found}")
print("\n".join(wrong[:20]))
sys.exit(bool(wrong))
