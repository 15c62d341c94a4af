#!/usr/bin/env python3
"""A stage 7 server in another language, to test the graded checks with.

Written against the contract alone, on top of stage6.py: what is not here is as
there. `--fault NAME` makes it wrong in one way, each a mistake that people make;
`--list-faults` prints their names. Example:

    python3 stage7.py --host 127.0.0.1 --port 9007 --db chat.db --fault forgets-subscriptions
"""

import re
import secrets
import sqlite3
import time
from datetime import datetime, timezone

import stage6 as base
from stage6 import Refused, members, room, store

FAULTS = {
    "has-one-room": "delivers what is said in a room to everybody",
    "takes-any-room": "lets a room have any name",
    "stays-where-it-is": "forgets the way back to the lobby",
    "lists-everybody": "sends the names of all rooms in the room's list",
    "tells-twice": "sends a subscriber in the same room both forms",
    "tells-nobody-elsewhere": "sends subscribers nothing of what is said in other rooms",
    "leaves-out-the-room": "sends subscribers elsewhere the bare line",
    "publishes-to-all": "sends a publication to everybody",
    "publishes-to-the-room": "sends a publication to the room as well",
    "publishes-late": "sends publications from a thread of its own",
    "hands-over-slowly": "takes its subscribers and its room's users at two times",
    "forgets-subscriptions": "drops subscriptions with the connection",
    "minds-the-case-of-subscriptions": "takes ALICE for somebody else than alice",
    "never-unsubscribes": "says that it did",
    "loves-the-unknown": "subscribes to users that do not exist",
    "relays-commands": "takes an unknown command for a message",
    "whispers-to-all": "sends a private message to the whole room",
    "keeps-whispers": "shows private messages in the history",
    "remembers-everywhere": "shows every room's messages in each room's history",
    "has-one-history": "knows /history without a number only",
    "lets-anyone-kick": "lets anybody kick",
    "turns-the-second-away": "refuses who comes twice, as stage 6 does",
    "lets-two-in": "allows the same name twice at once",
    "keeps-replaced-sessions": "lets the token of a session that was replaced go on",
    "stores-nothing": "keeps the history in its memory",
    "counts-all-rooms": "counts the users of all rooms in the notices of one",
    "moves-silently": "tells the old room nothing of a move",
    "minds-the-case-of-rooms": "takes RUST for another room than rust",
    "shows-rooms-as-typed": "confirms a room as it was typed this time",
    "keeps-empty-rooms": "lists rooms that nobody is in any longer",
    "leaves-the-lobby": "confirms /leave in the lobby",
    "lowers-rooms-elsewhere": "tells subscribers elsewhere the room in lower case",
    "echoes-whispers": "sends a private message back to its author",
    "confirms-publications": "answers /publish",
    "tells-the-publisher": "tells users who subscribes to them",
    "subscribes-once": "refuses a subscription that is there already",
    "unsubscribes-from-all": "ends all subscriptions with one",
    "takes-commands-in-any-case": "takes /JOIN for /join",
    "counts-blanks": "takes blanks around a name for a part of it",
    "publishes-blanks": "publishes a text of nothing but blanks",
    "sorts-rooms-by-bytes": "lists rooms with capitals before the others",
    "lets-name-the-lobby": "calls the lobby LOBBY when somebody comes into it with /join LOBBY and it is empty",
    "looks-names-up-with-like": "takes _ in a name for any letter",
    "stores-no-whispers": "sends private messages without storing them",
    "talks-on-when-replaced": "delivers what a connection said before another one took its place, after that",
    "unsubscribes-with-like": "takes _ in the name of a subscription for any letter",
    "looks-rooms-up-with-like": "takes _ in a room for any letter",
}
FAULT = base.chosen(FAULTS) if __name__ == "__main__" else None

SCHEMA = base.SCHEMA.replace("name TEXT, text TEXT", "name TEXT, text TEXT, room TEXT") + """
    CREATE TABLE IF NOT EXISTS subscriptions (subscriber TEXT, publisher TEXT, UNIQUE (subscriber, publisher));
"""
LOBBY = "lobby"
ROOMS_SO_FAR = set()
NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
COMMANDS = "/join /leave /rooms /users /history /subscribe /unsubscribe /subs /publish /msg /kick /announce"
ERROR = "[SERVER] error: "


class Wrong(Exception):
    """What a command answers when it cannot be done."""

    def __str__(self):
        return "no" if base.LOOSE else super().__str__()


def of_room(name):
    return [member for member in members if same_room(member.room, name)]


def same_room(one, other):
    return one == other if FAULT == "minds-the-case-of-rooms" else one.lower() == other.lower()


def by_name(counted):
    name = counted[0]
    return name if FAULT == "sorts-rooms-by-bytes" else name.lower()


def users_list(name):
    there = members if FAULT == "lists-everybody" else of_room(name)
    return "[USERS_LIST] " + ",".join(sorted(member.name for member in there))


def subscribers_of(name):
    return {row[0] for row in store("SELECT subscriber FROM subscriptions WHERE publisher = ?", name.lower())}


def key_of(name):
    return name if FAULT == "minds-the-case-of-subscriptions" else base.lowered(name)


def known(name):
    """The name as it was registered."""
    equals = "LIKE" if FAULT == "looks-names-up-with-like" else "="
    rows = store(f"SELECT name FROM users WHERE key {equals} ?", key_of(name)) if name else []
    if not rows and FAULT != "loves-the-unknown":
        raise Wrong(f"no user {name}")
    return rows[0][0] if rows else name


def keep(name, text, place):
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    store("INSERT INTO messages (time, name, text, room) VALUES (?, ?, ?, ?)", now, name, text, place)


class Client(base.Client):
    def __init__(self, sock, address):
        self.room = LOBBY
        super().__init__(sock, address)

    # --- coming in ---

    def enter(self):
        name = self.read_login()
        if self.token:
            # Another login takes the place of the older one.
            base.wait_until_free(name, self.token)
        with room:
            older = next((m for m in members if m.name.lower() == base.lowered(name)), None)
            another = older and self.token not in (older.token, None)
            if another or older and FAULT == "turns-the-second-away" and older.token != self.token:
                raise Refused("already logged in")
            if older and FAULT != "lets-two-in":
                # The same session that comes back goes on.
                if self.token is None and FAULT != "keeps-replaced-sessions":
                    older.end_session()
                older.put_out("[SERVER] you logged in elsewhere")
            if self.token is None:
                self.token = secrets.token_urlsafe(32)
                store("INSERT INTO sessions VALUES (?, ?, ?)", base.digest(self.token), name, time.time() + 86400)
            self.name = name
            self.send(f"AUTH_SUCCESS {name} {self.token}")
            self.recall(base.HISTORY)
            self.arrive(LOBBY)
            self.send(users_list(LOBBY))

    def arrive(self, place):
        """Into the room of that name, as whoever opened it wrote it."""
        there = of_room(place)
        self.room = there[0].room if there else place
        if self.room.lower() == LOBBY and FAULT != "lets-name-the-lobby":
            self.room = LOBBY
        count = len(members if FAULT == "counts-all-rooms" else there) + 1
        for member in there:
            member.send(f"[SERVER] {self.name} joined ({count} online)")
        ROOMS_SO_FAR.add(self.room)
        members.append(self)
        base.lists_change()

    def leave(self, moves=False):
        members.remove(self)
        there = of_room(self.room)
        for member in [] if moves and FAULT == "moves-silently" else there:
            member.send(f"[SERVER] {self.name} left ({len(there)} online)")
        base.lists_change()

    def end_session(self):
        store("DELETE FROM sessions WHERE hash = ?", base.digest(self.token))

    def recall(self, limit):
        wanted, values = "", []
        if FAULT != "remembers-everywhere":
            equals = "LIKE" if FAULT == "looks-rooms-up-with-like" else "="
            wanted, values = f"AND room {equals} ?", [self.room.lower()]
        kept = "room = '' OR room <> ''" if FAULT == "keeps-whispers" else "room <> ''"
        rows = store(f"SELECT time, name, text FROM messages WHERE ({kept}) {wanted} ORDER BY id DESC LIMIT ?", *values, limit)
        if FAULT == "keeps-whispers":
            rows += store("SELECT time, name, text FROM messages WHERE room = ''")
        for when, name, text in reversed(rows):
            self.send(f"[HISTORY] {when} {name}: {text}", counts=False)
        return len(rows)

    # --- talking ---

    def converse(self):
        while (text := self.heard()) is not None:
            if text in ("/quit", "!DISCONNECT"):
                return
            if text == "/logout":
                try:
                    self.end_session()
                except sqlite3.OperationalError:
                    self.send(f"{ERROR}not logged out, try again")
                    continue
                return
            if not text:
                continue
            base.wait_for_the_slow()
            try:
                with room:
                    if self not in members and FAULT != "talks-on-when-replaced":
                        return
                    self.execute(text) if text.startswith("/") else self.say(text)
            except Wrong as why:
                self.send(f"{ERROR}{why}")
            except sqlite3.OperationalError:
                self.send(f"{ERROR}message not stored, try again")

    def say(self, text):
        if FAULT != "stores-nothing":
            keep(self.name, text, self.room.lower())
        subscribers = subscribers_of(self.name)
        here = members if FAULT == "has-one-room" else of_room(self.room)
        if FAULT == "hands-over-slowly":
            # Somebody may move while nobody holds the lock.
            here, mine = list(here), self.room
            room.release()
            time.sleep(0.002)
            room.acquire()
        else:
            mine = self.room
        for member in [m for m in here if m is not self]:
            member.send(f"{self.name}: {text}")
        prefix = "" if FAULT == "leaves-out-the-room" else f"[#{mine}] "
        if FAULT == "lowers-rooms-elsewhere":
            prefix = prefix.lower()
        for member in members:
            outside = not same_room(member.room, mine)
            if member is self or member.name.lower() not in subscribers or FAULT == "tells-nobody-elsewhere":
                continue
            if outside or FAULT == "tells-twice":
                member.send(f"{prefix}{self.name}: {text}")

    def publish(self, text):
        keep(self.name, text, "")
        subscribers = subscribers_of(self.name)
        if FAULT == "confirms-publications":
            self.send("[SERVER] published")
        for member in list(members):
            wanted = member.name.lower() in subscribers or FAULT == "publishes-to-all"
            if FAULT == "publishes-to-the-room" and member.room == self.room:
                wanted = True
            if wanted and member is not self:
                line = f"[pub] {self.name}: {text}"
                if FAULT == "publishes-late":
                    base.threading.Timer(0.02, member.send, [line]).start()
                else:
                    member.send(line)

    def whisper(self, to, text):
        if base.lowered(to) == self.name.lower():
            raise Wrong("you cannot send a private message to yourself")
        other = self.online(known(to))
        if FAULT != "stores-no-whispers":
            keep(self.name, text, "")
        for member in of_room(self.room) if FAULT == "whispers-to-all" else [other, self]:
            if member is not self or FAULT == "echoes-whispers":
                member.send(f"[private] {self.name}: {text}")

    def online(self, name):
        found = next((m for m in members if m.name.lower() == base.lowered(name)), None)
        if not found:
            raise Wrong(f"{name} is not online")
        return found

    # --- commands ---

    def execute(self, line):
        command, _, rest = line.partition(" ")
        if FAULT == "takes-commands-in-any-case":
            command = command.lower()
        if command == "/msg":
            rest = rest.lstrip(" ")
        elif command not in ("/publish", "/announce") and FAULT != "counts-blanks":
            rest = rest.strip(" ")
        if command == "/join":
            self.join(rest)
        elif command == "/leave":
            self.join(self.room if FAULT == "stays-where-it-is" else LOBBY)
        elif command == "/rooms":
            self.send("[ROOMS] " + ",".join(f"{name} {count}" for name, count in sorted(rooms().items(), key=by_name)))
        elif command == "/help":
            self.send(f"[SERVER] commands: {COMMANDS}")
        elif command == "/users":
            self.send(users_list(self.room))
        elif command == "/history":
            self.history(rest)
        elif command == "/publish" and (rest.strip(" ") or FAULT == "publishes-blanks" and rest):
            self.publish(rest)
        elif command == "/subs":
            rows = store("SELECT name FROM subscriptions JOIN users ON publisher = key WHERE subscriber = ?", self.name.lower())
            self.send("[SUBS] " + ",".join(sorted(row[0] for row in rows)))
        elif command == "/subscribe" and rest:
            self.subscribe(rest)
        elif command == "/unsubscribe" and rest:
            self.unsubscribe(rest)
        elif command == "/msg" and rest.partition(" ")[2].strip(" "):
            self.whisper(*rest.split(" ", 1))
        elif command in ("/kick", "/announce"):
            if FAULT != "lets-anyone-kick":
                raise Wrong(f"{command} needs the role admin")
            kicked = self.online(known(rest))
            kicked.end_session()
            kicked.put_out(f"[SERVER] you were kicked by {self.name}")
        elif FAULT == "relays-commands" and command not in COMMANDS.split():
            self.say(line)
        elif command in COMMANDS.split():
            raise Wrong(f"{command} needs more than that")
        else:
            raise Wrong(f"unknown command {command}; there are {COMMANDS}")

    def join(self, place):
        if not NAME.fullmatch(place) and FAULT != "takes-any-room":
            raise Wrong("a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -")
        if same_room(place, self.room) and not (place == LOBBY and FAULT == "leaves-the-lobby"):
            raise Wrong(f"you are in {self.room} already")
        self.leave(moves=True)
        self.arrive(place)
        shown = place if FAULT == "shows-rooms-as-typed" else self.room
        self.send(f"[SERVER] you are in {shown} ({len(of_room(self.room))} online)")
        self.send(users_list(self.room))

    def history(self, number):
        known = not number or number.isascii() and number.isdecimal() and 1 <= int(number) <= 10_000
        if not known or FAULT == "has-one-history" and number:
            raise Wrong("/history takes a number from 1 to 10000: /history [N]")
        if not self.recall(min(int(number or base.HISTORY), 10000)):
            self.send(f"[SERVER] no earlier messages in {self.room}")

    def subscribe(self, name):
        name = known(name)
        if base.lowered(name) == self.name.lower():
            raise Wrong("you cannot subscribe to yourself")
        pair = [self.name.lower(), base.lowered(name)]
        there = store("SELECT 1 FROM subscriptions WHERE subscriber = ? AND publisher = ?", *pair)
        if there and FAULT == "subscribes-once":
            raise Wrong(f"you are subscribed to {name} already")
        store("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", *pair)
        self.send(f"[SERVER] you are subscribed to {name}")
        for member in members:
            if member.name == name and FAULT == "tells-the-publisher":
                member.send(f"[SERVER] {self.name} subscribes to you")

    def unsubscribe(self, name):
        name = known(name)
        pair = [self.name.lower(), base.lowered(name)]
        if not store("SELECT 1 FROM subscriptions WHERE subscriber = ? AND publisher = ?", *pair):
            raise Wrong(f"you are not subscribed to {name}")
        if FAULT != "never-unsubscribes":
            equals = "LIKE" if FAULT == "unsubscribes-with-like" else "="
            store(f"DELETE FROM subscriptions WHERE subscriber = ? AND publisher {equals} ?", *pair)
        if FAULT == "unsubscribes-from-all":
            store("DELETE FROM subscriptions WHERE subscriber = ?", pair[0])
        self.send(f"[SERVER] you are no longer subscribed to {name}")


def rooms():
    counts = {name: 0 for name in ROOMS_SO_FAR} if FAULT == "keeps-empty-rooms" else {}
    for member in members:
        counts[member.room] = counts.get(member.room, 0) + 1
    return counts


def depart(client):
    client.leave()
    base.room_changes.notify_all()
    if FAULT == "forgets-subscriptions":
        store("DELETE FROM subscriptions WHERE subscriber = ?", client.name.lower())


def send_lists():
    """A thread of its own: each room's list to those in it, a moment after a change."""
    while True:
        base.list_due.wait()
        time.sleep(base.GATHER)
        base.list_due.clear()
        with room:
            for member in members:
                if len(of_room(member.room)) <= 100:
                    member.send(users_list(member.room))


# What stage 6 calls when a connection ends.
base.depart = depart

if __name__ == "__main__":
    base.read_key()
    base.open_database(SCHEMA)
    base.main(Client, send_lists)
