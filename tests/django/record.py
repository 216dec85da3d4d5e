"""Prints the tables of the two packages and of Django's accounts, as SQLite and as PostgreSQL have them.

    python record.py SQLITE-FILE                     (that fill.py made)
    pg_dump … | python record.py -                   (likewise)
"""

import re
import sqlite3
import sys

if sys.argv[1] == "-":
    # Its settings are those of the server that was asked.
    text = re.sub(r"^(--.*|SET .*|SELECT pg_catalog.*|\\.*)$", "", sys.stdin.read(), flags=re.M)
    print(re.sub(r"\n{2,}", "\n", text).strip())
else:
    tables = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type = 'table' AND (name LIKE 'drf%' OR name LIKE 'sms_auth%' OR name = 'auth_user') ORDER BY name"
    for (sql,) in sqlite3.connect(sys.argv[1]).execute(tables):
        print(f"{sql};")
