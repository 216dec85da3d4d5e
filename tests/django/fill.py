"""Makes the tables of the two packages with their own migrations and fills them through their models.

    python fill.py MANY EXPECTED.json

MANY: accounts that are like the next, beside those that are special. EXPECTED.json: what an import
has to make of them.
"""

import json
import os
import sys
from types import SimpleNamespace

import requests


def nobody_is_told(*_arguments, **_named):
    raise ConnectionError("django-chelseru tells its author of every new user; not of these")


# Before the package takes hold of it.
requests.post = nobody_is_told
# The queue of django-rest-sms-auth, which nobody works on.
task = SimpleNamespace(delay=lambda *_arguments: None)
sys.modules["run_celery"] = SimpleNamespace(app=SimpleNamespace(task=lambda _function: task))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django  # noqa: E402

django.setup()

import chat  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User as Account  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from drfchelseru import models as old  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402
from sms_auth.models import PhoneCode, SMSMessage  # noqa: E402

# Rows by table, and what is said of some, by part: reasons with a blank between them.
PARTS = ["users", "organizations", "rooms", "messages", "files"]
expected = {part: {} for part in PARTS}
said = {part: {} for part in PARTS}


def keep(account, phone=None, group=0, password=True, note=None):
    account.refresh_from_db()
    # Accounts made by a code have an empty one, which Django calls usable.
    password = password and account.password and account.has_usable_password()
    expected["users"][account.id] = [
        account.username,
        phone,
        group,
        account.is_active,
        account.password if password else None,
        account.email,
        account.first_name,
        account.last_name,
        account.date_joined.isoformat(),
    ]
    if note:
        said["users"][account.id] = note
    return account


def refuse(account, reason):
    said["users"][account.id] = reason
    return account


def by_code(mobile, group=0):
    """As `authenticate/` makes an account at the first right code."""
    user, _ = old.UserModel.objects.get_or_create(mobile=mobile, group=group)
    return user.user


def by_password(username, **more):
    """As `register/` does."""
    return Account.objects.create_user(username, password="horse-battery-9", **more)


def with_mobile(account, mobile, group=0):
    """As staff does in the admin: the account is there, its mobile is added."""
    old.UserModel.objects.create(user=account, mobile=mobile, group=group)
    return account


def special():
    keep(
        Account.objects.create_superuser("boss", "boss@example.org", "horse-battery-9"),
        note="staff_left_out",
    )
    keep(by_password("clerk", is_staff=True), note="staff_left_out")
    keep(by_code("09120000001"), "+989120000001")
    keep(by_code("09120000001", 1), "+989120000001", 1)
    keep(by_password("sara", email="sara@example.org", first_name="سارا", last_name="رضایی 🌷"))
    keep(by_password("gone", is_active=False))
    inactive = by_code("09120000002")
    Account.objects.filter(id=inactive.id).update(is_active=False)
    keep(inactive, "+989120000002")
    keep(with_mobile(by_password("both"), "09120000003"), "+989120000003")
    keep(by_code("۰۹۱۲۰۰۰۰۰۰۴"), "+989120000004")
    keep(with_mobile(by_password("abroad-form"), "9120000005"), "+989120000005")
    for hasher in ("pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"):
        account = by_password(f"by-{hasher}")
        account.password = make_password("horse-battery-9", hasher=hasher)
        account.save()
        keep(account)
    odd = by_password("odd-hash")
    Account.objects.filter(id=odd.id).update(password="crypt$ab$cdefgh")
    keep(odd, password=False, note="password_unknown no_way_in")
    keep(Account.objects.create_user("nobody"), note="no_way_in")
    keep(by_code("09120000006", 7), "+989120000006", 7, note="group_not_offered")

    refuse(by_code("abcdefghijk"), "phone_bad")
    refuse(by_code("9120000001"), "phone_taken")
    refuse(by_code("09120000007", -1), "group_bad")
    refuse(by_password("G0-09129999999"), "username_reserved")
    refuse(with_mobile(by_password("G1-09120000008"), "09120000008"), "username_reserved")
    keep(by_password("last"))


def many(count):
    """Thousands, without a query for each."""
    numbers = [f"0935{n:07}" for n in range(count)]
    accounts = [Account(username=f"G0-{number}", password="!") for number in numbers]
    Account.objects.bulk_create(accounts, batch_size=500)
    made = list(Account.objects.filter(username__startswith="G0-0935").order_by("id"))
    users = [old.UserModel(user=account, mobile=account.username[3:]) for account in made]
    old.UserModel.objects.bulk_create(users, batch_size=500)
    for account in made:
        expected["users"][account.id] = [
            account.username,
            f"+98{account.username[4:]}",
            0,
            True,
            None,
            "",
            "",
            "",
            account.date_joined.isoformat(),
        ]


def organizations():
    def make(owner, name, uname, reason=None):
        owner = Account.objects.get(username=owner)
        made = old.OrgModel.objects.create(owner=owner, name=name, uname=uname)
        made.refresh_from_db()
        if reason:
            said["organizations"][made.id] = reason
        else:
            at = made.created_at.isoformat()
            expected["organizations"][made.id] = [name, uname, owner.id, at]
        return made

    make("G0-09129999999", "Nobody's", "nobodys", "owner_missing")
    make("both", "فروشگاه سارا", "فروشگاه")
    # MySQL takes names that differ in case only for the same.
    make("sara", "Shop", "Shop")
    if connection.vendor != "mysql":
        make("clerk", "Another shop", "shop", "uname_taken")
    return make("boss", "A company", "a-company.ir")


def the_rest():
    """A little of everything that stays."""
    sara = Account.objects.get(username="sara")
    old.PaymentModel.objects.create(
        user=sara, order_id="17", amount=1500, description="-", callback_url="https://example.org/"
    )
    old.SessionModel.objects.create(
        user=sara, session_key="k", user_agent="-", ip_address="192.0.2.1", device="-", browser="-"
    )
    old.OTPModel.objects.create(code="123456", mobile_number="09120000001")
    PhoneCode.objects.create(phone_number="+79031234567", owner=sara)
    SMSMessage.objects.create(phone_number="+79031234567")


call_command("migrate", verbosity=0)
special()
many(int(sys.argv[1]))
chat.fill(organizations(), expected, said)
the_rest()
# As logging in gave them to clients, who still have them after the import.
tokens = {
    account.id: str(RefreshToken.for_user(account))
    for account in Account.objects.filter(username__in=["sara", "both", "G0-09120000001"])
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump({"here": expected, "said": said, "tokens": tokens}, file)
