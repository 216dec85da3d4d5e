"""Rooms, messages and files of a site with django-chelseru, of every kind, and what they have to become."""

import hashlib
from datetime import datetime, timedelta, timezone

from django.contrib.auth.models import User as Account
from django.core.files.base import ContentFile
from django.db import transaction
from drfchelseru import models as old

OWNER, MEMBER = 8190, 2
# The smallest PNG, with a place on earth in it, and what stays of it.
HEAD = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
PLACE = b"\0\0\0\x0atEXtGPS\0Tehrancsum"
REST = bytes.fromhex("0000000d49444154789c63f8ffff3f0005fe02fea76373756d0000000049454e44ae426082")
PNG, STRIPPED = HEAD + PLACE + REST, HEAD + REST
PAGE = b"<script>alert(1)</script>"


def stamp(moment):
    """A moment in microseconds, which no database writes in another way."""
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


class Chat:
    def __init__(self, expected, said):
        self.expected, self.said = expected, said
        # The numbers of the rooms' logs, and what is to become of the rooms.
        self.heads, self.touched = {}, {}

    def room(self, people, seats=None, direct=None, note=None, bans=(), **columns):
        """A room of these people, the `direct` room of one or two, or a group. `seats`: what becomes of
        them, `{name: (role, levels)}`; without either nothing comes."""
        made = old.ChatRoomModel.objects.create(**columns)
        # One by one: the first is who came first.
        for name in people:
            made.users.add(account(name))
        if note:
            self.said["rooms"][made.id] = note
        if seats or direct:
            pair = direct and sorted(account(name).id for name in (direct * 2)[:2])
            seats = seats or {name: ("owner", OWNER) for name in direct}
            here = {str(account(name).id): [*rank, False] for name, rank in seats.items()}
            self.touched[made.id] = (made, pair, here, sorted(account(name).id for name in bans))
            self.heads[made.id] = 0
        return made

    def pin(self, room, name):
        room.pinned_for.add(account(name))
        self.touched[room.id][2][str(account(name).id)][2] = True

    def level(self, room, access, *names):
        made = old.ChatPermModel.objects.create(access=access)
        made.user.add(*[account(name) for name in names])
        room.permissions.add(made)

    def message(self, room, sender, text="", refused=None, note=None, becomes=None, **columns):
        """A message, and what it becomes: `(type, text, lat, lng)`."""
        made = old.MsgModel.objects.create(chat_room=room, sender=account(sender), text=text, **columns)
        made.refresh_from_db()
        if note or refused:
            self.said["messages"][made.id] = note or refused
        if not refused:
            self.heads[room.id] += 1
            what = becomes or (made.message_type, made.text, made.lat, made.lng)
            at = made.created_at.isoformat()
            self.expected["messages"][made.id] = [
                room.id, self.heads[room.id], account(sender).id, *what, None, at,
            ]
        return made

    def file(self, room, user, message, name, content, mime=None, stored=None, note=None):
        """A file, and what it becomes: `mime` and the bytes that are stored."""
        made = old.AttachFileModel(user=account(user), chatroom=room, message=message, text=f"of {name}")
        made.file.save(name, ContentFile(content or b"-"))
        if content is None:
            made.file.storage.delete(made.file.name)
        made.refresh_from_db()
        if note:
            self.said["files"][made.id] = note
        else:
            stored = content if stored is None else stored
            self.expected["messages"][message.id][-2] = made.id
            self.expected["files"][made.id] = [
                room.id, account(user).id, message.id, made.file.name.rsplit("/", 1)[1], mime,
                made.text, len(stored), hashlib.sha256(stored).hexdigest(), made.created_at.isoformat(),
            ]
        return made

    def settle(self):
        """Rooms as they are in the end: messages change them."""
        for id, (made, pair, seats, bans) in self.touched.items():
            made.refresh_from_db()
            # Nobody kept what was read: everything was.
            seats = {user: [*seat, self.heads[id]] for user, seat in seats.items()}
            self.expected["rooms"][id] = [
                made.name, made.descriptions, made.status if made.status < 4 else 2, made.user_1_id, made.user_2_id, pair, seats,
                bans, self.heads[id], stamp(made.updated_at), made.created_at.isoformat(),
            ]


def account(name):
    return Account.objects.get(username=name)


@transaction.atomic
def fill(organization, expected, said):
    chat = Chat(expected, said)
    code, other = "G0-09120000001", "G1-09120000001"
    owner, member = ("owner", OWNER), ("member", MEMBER)

    # As the API made one, in an organization, and as its first version did.
    pair = chat.room(["boss", "sara"], direct=["boss", "sara"], organization=organization,
                     note="organization_left_out", descriptions="دربارهٔ سفارش‌ها")
    chat.pin(pair, "sara")
    first = chat.room([], direct=["sara", "both"], user_1=account("sara"), user_2=account("both"))
    alone = chat.room(["sara"], direct=["sara"], name="یادداشت‌ها")
    twin = chat.room(["both", "sara"], seats={"both": owner, "sara": member}, note="pair_taken")
    # The admin made groups.
    group = chat.room(["boss", "sara", "both", code, other, "clerk", "last"],
                      seats={"boss": member, "sara": owner, "both": ("member", 1), code: member,
                             other: ("member", 2 + 4 + 256), "last": member},
                      name="گروه دوستان 🌷", bans=["clerk"], note="levels_left_out")
    group.banneds.add(account("clerk"))
    for access in (2, 3, 4, 12):
        chat.level(group, access, "sara", "gone")
    chat.level(group, 0, "both")
    chat.level(group, 8, other)
    chat.level(group, 2, other)
    chat.pin(group, "boss")
    chat.pin(group, "last")
    closed = chat.room(["boss", "clerk", "last"], status=2,
                       seats={"boss": owner, "clerk": member, "last": member})
    held = chat.room(["boss", "last"], status=3, seats={"last": owner, "boss": member}, bans=["sara"])
    held.banneds.add(account("sara"))
    chat.level(held, 8, "last")
    odd = chat.room(["boss", "G0-abcdefghijk"], status=9, seats={"boss": owner},
                    note="member_missing room_status_unknown")
    empty = chat.room(["G0-abcdefghijk", "G0-9120000001"], note="room_empty")

    hello = chat.message(pair, "sara", "سلام! سفارش شمارهٔ ۱۷ رسید؟ 🌷")
    chat.message(pair, "boss", "a line\nand ‌another")
    photo = chat.message(pair, "sara", "عکس", message_type="image")
    page = chat.message(group, "sara", "", message_type="file")
    chat.message(group, "both", "", message_type="image")
    chat.message(group, code, "", message_type="location", lat=35.6892, lng=51.389)
    chat.message(group, other, "nowhere", lat=95.5, lng=10, note="place_left_out",
                 becomes=("text", "nowhere", None, None))
    chat.message(group, "clerk", "of who is banned")
    chat.message(closed, "last", "x\u202ey", note="text_changed", becomes=("text", "xy", None, None))
    chat.message(held, "boss", "odd", message_type="voice", note="type_unknown",
                 becomes=("text", "odd", None, None))
    late = chat.message(first, "both", "older than a column of its table")
    when = late.timestamp - timedelta(days=30)
    old.MsgModel.objects.filter(id=late.id).update(timestamp=when)
    expected["messages"][late.id][-1] = when.isoformat()
    chat.message(odd, "G0-abcdefghijk", "of nobody", refused="sender_missing")
    chat.message(empty, "boss", "nowhere", refused="room_missing")
    again = chat.message(twin, "sara", "twice")
    note = chat.message(alone, "sara", "note")

    chat.file(pair, "sara", photo, "عکس.png", PNG, "image/png", STRIPPED)
    chat.file(group, "sara", page, "page.html", PAGE, "application/octet-stream")
    chat.file(pair, "sara", None, "unused.png", PNG, note="file_unused")
    chat.file(group, "sara", page, "second.txt", b"second", note="file_not_shown")
    chat.file(pair, "sara", hello, "lies.png", PAGE, note="file_bad")
    chat.file(twin, "sara", again, "lost.txt", None, note="file_missing")
    chat.file(alone, "boss", note, "taken.png", PNG, note="file_foreign")

    # So many that an import is killed among them. Each message is a query or two.
    for n in range(200):
        message = chat.message(pair if n % 3 else first, "sara", f"پیام {n}", message_type="file")
        chat.file(message.chat_room, "sara", message, f"{n}.txt", b"%d" % n * 3000, "text/plain")
    chat.settle()
