#!/usr/bin/env python3
"""A stage 6 server in another language, to test the graded checks with.

Written against the contract alone, with Python's standard library and, for AES,
OpenSSL's libcrypto. It looks for `chat.key` in its working folder. `--fault
NAME` makes it wrong in one way, each a mistake that people make;
`--list-faults` prints their names (`--texts yes`: and what each does). `--loose yes` makes use
of what the contract leaves open: some senders' lines come later than others', lists at once,
errors in other words. `--trace yes` says on standard output where it listens. Example:

    python3 stage6.py --host 127.0.0.1 --port 9006 --db chat.db --fault no-history
"""

import hashlib
import hmac
import itertools
import os
import re
import secrets
import select
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections import deque
from datetime import datetime, timezone

from stage6_envelope import Envelope

FAULTS = {
    "takes-plain-lines": "reads lines that are not sealed too",
    "answers-in-the-clear": "seals nothing that it sends",
    "checks-no-tag": "decrypts whatever comes",
    "takes-two-lines-for-one": "takes a text with a line end in it",
    "has-one-key": "authenticates with the encryption key",
    "tags-the-text": "makes the tag over the text, not over IV and ciphertext",
    "fixes-its-iv": "seals with the same IV every time",
    "goes-on-after-a-bad-line": "tells of a rejected line and reads on",
    "has-no-line-limit": "takes lines of any length",
    "asks-nothing": "says something else than AUTH_REQUIRED",
    "knows-no-short-form": "takes LOGIN and REGISTER only without arguments",
    "accepts-any-password": "compares no passwords",
    "names-the-unknown": "tells an unknown name from a wrong password",
    "hurries-with-the-unknown": "computes no hash for an unknown name",
    "stays-after-a-failure": "leaves the connection open after AUTH_FAILED",
    "minds-the-case-of-names": "takes Alice and alice for two users",
    "shows-names-as-typed": "shows a name as it was typed this time",
    "takes-any-name": "registers any name",
    "waits-with-the-lock": "lets nobody leave while a second login waits for the name",
    "stores-later-what-it-refused": "tries again what the database refused, and has told the sender that it is not stored",
    "hurries-with-impossible-names": "computes no hash for a name that cannot be",
    "recalls-before-it-enters": "reads the history, and enters the room then",
    "gives-each-answer-its-time": "begins the time for the login anew with each question",
    "looks-before-it-registers": "asks whether a name is there, and then writes over it",
    "cuts-passwords": "reads the first 72 bytes of any password",
    "takes-short-passwords": "registers a password of three letters",
    "builds-its-sql": "puts the name into the text of a statement",
    "waits-for-ever": "has no time limit for the login",
    "counts-the-nameless": "counts connections, not users",
    "lets-the-nameless-talk": "relays what comes before a login",
    "lets-two-in": "allows the same name twice at once",
    "keeps-the-dead": "takes a token's own dead connection for somebody else",
    "tokens-never-end": "goes on accepting a token after /logout",
    "tokens-do-not-outlive-it": "keeps sessions in memory only",
    "takes-any-token": "resumes the last session, whatever the token",
    "no-history": "sends no history",
    "whole-history": "sends all messages there ever were",
    "history-backwards": "sends the newest message first",
    "history-in-memory": "forgets the history when it ends",
    "history-without-time": "leaves out the time",
    "lists-in-order-of-arrival": "does not sort the list of users",
    "no-new-lists": "sends the list to those who come in only",
    "blocks-on-slow-clients": "writes to each client itself, and waits",
    "list-per-arrival": "sends everybody a list for every change, at once",
    "echoes-to-the-sender": "writes to everybody, the sender included",
    "relays-the-address": "puts the address in the place of the name",
    "announces-twice": "has two places that announce a departure",
    "strips-spaces": "strips the text of its spaces",
    "cuts-long-messages": "cuts what it relays to 4096 bytes",
    "forgets-what-came": "forgets at SIGTERM the lines that it has not come to yet",
    "dripping-prolongs": "begins the time for the dialogue anew with each empty line",
    "silent-end": "ends without a word at SIGTERM",
    "one-login-at-a-time": "hashes under the lock of the room",
    "knows-words-in-any-case": "takes login and register in lower case",
    "splits-at-any-blank": "loses blanks before a password, and takes a tab for one",
    "renews-tokens": "gives a new token to whoever comes back",
    "sorts-without-case": "sorts the list of users by letters",
    "trims-commands": "takes /quit with a blank behind it for /quit",
    "relays-behind-quit": "passes on what came in the same packet behind /quit",
    "tells-all-of-bad-lines": "tells everybody of a rejected line",
}

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))


def chosen(faults):
    """The fault that the command line asks for, one of these, or None."""
    if "--list-faults" in sys.argv:
        for name, text in faults.items():
            print(f"{name}\t{text}" if "--texts" in sys.argv else name)
        sys.exit()
    fault = options.get("--fault")
    if fault is not None and fault not in faults:
        sys.exit(f"error: there is no fault {fault!r}")
    return fault


# The later stages are made of this file, and have faults of their own.
FAULT = chosen(FAULTS) if __name__ == "__main__" else None

LONGEST = 4096
HISTORY = 20
QUEUE = 1 << 20
LOGIN_TIMEOUT = float(options.get("--login-timeout", 30))
HASH_COST = int(options.get("--hash-cost", 13))
LOOSE = "--loose" in options
LAG = 0.1  # by which a loose server is late, in seconds
NUMBERS = itertools.count()
GATHER = 0 if LOOSE else 0.2
LATE = 0  # seconds that what a client has sent needs to come here

# --- the envelope ---------------------------------------------------------

envelope = None  # until main() has read the key
FIXED_IV = os.urandom(16)


def seal(text):
    if FAULT == "answers-in-the-clear":
        return text.encode()
    iv = FIXED_IV if FAULT == "fixes-its-iv" else os.urandom(16)
    return envelope.seal(text, iv, FAULT == "tags-the-text")


def unseal(line):
    """The text of a line; raises ValueError for one that is not sealed well."""
    try:
        text = envelope.open(line, FAULT not in ("checks-no-tag", "tags-the-text"))
        if "\n" in text and FAULT != "takes-two-lines-for-one":
            raise ValueError("a line end")
        return text
    except ValueError:
        if FAULT == "takes-plain-lines":
            return line.decode()
        raise


# --- the database ---------------------------------------------------------

DATABASE = options.get("--db", "chat.db")
SCHEMA = """
    PRAGMA journal_mode=WAL;
    CREATE TABLE IF NOT EXISTS users (key TEXT PRIMARY KEY, name TEXT, salt BLOB, hash BLOB);
    CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, time TEXT, name TEXT, text TEXT);
    CREATE TABLE IF NOT EXISTS sessions (hash BLOB PRIMARY KEY, name TEXT, expires REAL);
"""
storing = threading.RLock()
db = sqlite3.connect(DATABASE, check_same_thread=False, timeout=2)


def open_database(schema):
    db.executescript(schema)
    if FAULT == "history-in-memory":
        db.execute("DELETE FROM messages")
    if FAULT == "tokens-do-not-outlive-it":
        db.execute("DELETE FROM sessions")
    db.commit()


def store(statement, *values):
    with storing, db:
        return db.execute(statement, values).fetchall()


def key_of(name):
    return name if FAULT == "minds-the-case-of-names" else lowered(name)


def lowered(name):
    """A to Z alone: what Unicode calls a small letter makes another name of KELVIN SIGN."""
    return name.lower() if name.isascii() else name


def hashed(password, salt):
    if FAULT == "cuts-passwords":
        password = password.encode()[:72].decode()
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << HASH_COST, r=8, p=1)


class Refused(Exception):
    def __str__(self):
        kept = ("wrong name or password", "name already taken", "already logged in")
        reason = super().__str__()
        return "no" if LOOSE and reason not in kept else reason


def check_name(name):
    allowed = ".+" if FAULT == "takes-any-name" else "[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
    if not re.fullmatch(allowed, name):
        raise Refused("a name has 1 to 32 letters, digits, _ . -, and begins with a letter or a digit")
    if lowered(name) == "server":
        raise Refused("name already taken")


def register(name, password):
    check_name(name)
    longest = 1000 if FAULT == "cuts-passwords" else 72
    shortest = 1 if FAULT == "takes-short-passwords" else 8
    if not shortest <= len(password.encode()) <= longest or "\0" in password:
        raise Refused("a password has 8 to 72 bytes and no NUL")
    salt = os.urandom(16)
    how = "INSERT"
    if FAULT == "looks-before-it-registers":
        how = "INSERT OR REPLACE"
        if store("SELECT 1 FROM users WHERE key = ?", key_of(name)):
            raise Refused("name already taken")
    try:
        store(f"{how} INTO users VALUES (?, ?, ?, ?)", key_of(name), name, salt, hashed(password, salt))
    except sqlite3.IntegrityError:
        raise Refused("name already taken") from None
    return name


def login(name, password):
    if FAULT == "builds-its-sql":
        try:
            rows = db.execute(f"SELECT name, salt, hash FROM users WHERE key = '{key_of(name)}'").fetchall()
        except sqlite3.Error as error:
            raise Refused(str(error)) from None
    else:
        rows = store("SELECT name, salt, hash FROM users WHERE key = ?", key_of(name))
    if FAULT == "hurries-with-impossible-names" and not re.fullmatch("[A-Za-z0-9_.-]{1,32}", name):
        raise Refused("wrong name or password")
    if not rows and FAULT == "names-the-unknown":
        raise Refused("no such user")
    if not rows and FAULT == "hurries-with-the-unknown":
        raise Refused("wrong name or password")
    known, salt, right = rows[0] if rows else (name, bytes(16), b"")
    if FAULT == "one-login-at-a-time":
        with room:
            matches = [hashed(password, salt) for _ in range(60)][0] == right
    else:
        matches = hmac.compare_digest(hashed(password, salt), right)
    if FAULT == "accepts-any-password" and rows:
        matches = True
    if not matches or len(password.encode()) > 72 and FAULT != "cuts-passwords":
        raise Refused("wrong name or password")
    return name if FAULT == "shows-names-as-typed" else known


def digest(token):
    return hashlib.sha256(token.encode()).digest()


def resume(token):
    rows = store("SELECT name FROM sessions WHERE hash = ? AND expires > ?", digest(token), time.time())
    if not rows and FAULT == "takes-any-token":
        rows = store("SELECT name FROM sessions ORDER BY expires DESC LIMIT 1")
    if not rows:
        raise Refused("session unknown or over")
    return rows[0][0]


# --- the room -------------------------------------------------------------

room = threading.RLock()  # guards members and connections, and what is queued for them
room_changes = threading.Condition(room)
members = []
unstored = []  # what is about to be stored
connected = set()
leaving = set()  # what is on its way to them is still written
connections = 0
list_due = threading.Event()
stopping = threading.Event()
woken, waker = socket.socketpair()  # the first can be read when the server ends


class TooLong(Exception):
    pass


class Client:
    """One connection; a thread of its own reads it, anyone may write to it."""

    def __init__(self, sock, address):
        self.sock, self.name, self.token = sock, None, None
        self.address = "%s:%d" % address[:2]
        self.buffer = b""
        self.lag = LAG if LOOSE and next(NUMBERS) % 2 == 0 else 0
        self.deadline = time.monotonic() + LOGIN_TIMEOUT
        self.queue, self.queued, self.ended = deque(), 0, False
        self.slow = False  # it had a chance to catch up, and did not
        self.caught_up = threading.Event()
        self.stopped = False  # by the end of the server, not by its own
        self.heard_all = threading.Event()
        self.ready = threading.Condition()
        self.writer = threading.Thread(target=self.write, daemon=True)
        self.writer.start()

    def send(self, text, counts=True):
        """Queues a line. The long answers that a client asks for do not count to the bound."""
        line = seal(text[:3023] if FAULT == "cuts-long-messages" else text) + b"\n"
        if FAULT == "blocks-on-slow-clients":
            self.sock.settimeout(None)
            self.sock.sendall(line)
            return
        with self.ready:
            if self.ended:
                return
            if counts and self.queued + len(line) > QUEUE:
                self.ended = True
                self.queue.clear()
                self.hang_up(socket.SHUT_RDWR)
            else:
                self.queue.append(line)
                self.queued += len(line) if counts else 0
            self.ready.notify()

    def write(self):
        """The writing thread: ends when the client does, and closes the socket."""
        while True:
            with self.ready:
                while not self.queue and not self.ended:
                    self.ready.wait()
                if not self.queue:
                    break
                data = b"".join(self.queue)
                self.queue.clear()
            try:
                while data:
                    free = select.poll()
                    free.register(self.sock, select.POLLOUT)
                    free.poll()
                    sent = self.sock.send(data[:65536], socket.MSG_DONTWAIT)
                    data = data[sent:]
                    self.has_sent(sent)
            except OSError:
                break
        self.caught_up.set()
        self.close()
        leaving.discard(self)

    def has_sent(self, count):
        with self.ready:
            self.queued = max(0, self.queued - count)
            if self.queued == 0:
                self.slow = False
            if self.queued < QUEUE // 4:
                self.caught_up.set()

    def falls_behind(self):
        with self.ready:
            behind = self.queued > QUEUE // 2 and not self.slow and not self.ended
            if behind:
                self.caught_up.clear()
            return behind

    def hang_up(self, how):
        try:
            self.sock.shutdown(how)
        except OSError:  # the client may have gone already
            pass

    def finish(self):
        """No more lines: what is queued gets written, then the socket closed."""
        with self.ready:
            self.ended = True
            self.ready.notify()
        # One that does not read has this long.
        late = threading.Timer(10, self.hang_up, [socket.SHUT_RDWR])
        late.daemon = True
        late.start()

    def put_out(self, why):
        """Tells it why, and ends it; under the lock of the room."""
        self.send(why)
        depart(self)
        # Before its writer closes the socket.
        self.hang_up(socket.SHUT_RD)
        self.finish()

    def read_line(self):
        """The next line's text, or None at the end. Empty lines count nowhere."""
        while (line := self.next_line()) is not None:
            line = line.removesuffix(b"\r")
            if len(line) > LONGEST and FAULT != "has-no-line-limit":
                raise TooLong
            if line:
                return unseal(line)
            if FAULT == "dripping-prolongs":
                self.deadline = time.monotonic() + LOGIN_TIMEOUT
        return None

    def next_line(self):
        """The next line without its LF, or None at the end."""
        while b"\n" not in self.buffer:
            if len(self.buffer.removesuffix(b"\r")) > LONGEST and FAULT != "has-no-line-limit":
                raise TooLong
            data = self.received()
            if not data:
                line, self.buffer = self.buffer, b""
                return line or None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def received(self):
        """What has come; nothing at the end of the stream, and when the server ends."""
        left = None
        if self.name is None and FAULT != "waits-for-ever":
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
        ready = self.readable([self.sock, woken], left)
        if not ready:
            raise TimeoutError
        if woken in ready:
            ready = self.readable([self.sock], LATE)
        if self.sock in ready:
            return self.sock.recv(65536)
        self.stopped = True
        return b""

    def readable(self, sockets, limit):
        """Those of the sockets that can be read, within so many seconds."""
        # Not select(), which knows no descriptor above 1023.
        waiting = select.poll()
        for sock in sockets:
            waiting.register(sock, select.POLLIN)
        ready = [descriptor for descriptor, _ in waiting.poll(None if limit is None else limit * 1000)]
        return [sock for sock in sockets if sock.fileno() in ready]

    def ask(self, question):
        self.send(question)
        if FAULT == "gives-each-answer-its-time":
            self.deadline = time.monotonic() + LOGIN_TIMEOUT
        answer = self.read_line()
        while answer == "":
            answer = self.read_line()
        if answer in (None, "/quit", "!DISCONNECT"):
            raise ConnectionError
        return answer

    def read_login(self):
        """From AUTH_REQUIRED to the name; raises Refused."""
        request = self.ask("WELCOME" if FAULT == "asks-nothing" else "AUTH_REQUIRED")
        word, _, rest = request.partition(" ")
        if FAULT == "knows-words-in-any-case":
            word = word.upper()
        if FAULT == "lets-the-nameless-talk" and word not in ("LOGIN", "REGISTER", "RESUME"):
            relay(None, request)
        if word == "RESUME":
            self.token = rest
            return resume(rest)
        if word not in ("LOGIN", "REGISTER"):
            raise Refused("LOGIN, REGISTER or RESUME expected")
        name, _, password = rest.partition(" ")
        if FAULT == "splits-at-any-blank":
            name, password = (rest.split(None, 1) + ["", ""])[:2]
        if " " not in request or FAULT == "knows-no-short-form":
            name = self.ask("ENTER_USERNAME")
            if LOOSE and word == "REGISTER":
                check_name(name)
            password = self.ask("ENTER_PASSWORD")
        elif not name or not password:
            raise Refused("expected: %s name password" % word)
        return login(name, password) if word == "LOGIN" else register(name, password)

    def enter(self):
        name = self.read_login()
        wait_until_free(name, self.token)
        with room:
            older = next((m for m in members if key_of(m.name) == key_of(name)), None)
            if older and older.token == self.token and FAULT != "keeps-the-dead":
                older.put_out("[SERVER] you logged in elsewhere")
            elif older and FAULT != "lets-two-in":
                raise Refused("already logged in")
            if self.token is None or FAULT == "renews-tokens":
                self.token = secrets.token_urlsafe(32)
                store("INSERT INTO sessions VALUES (?, ?, ?)", digest(self.token), name, time.time() + 86400)
            if FAULT == "recalls-before-it-enters":
                self.earlier = store("SELECT time, name, text FROM messages ORDER BY id DESC LIMIT ?", HISTORY)
                # Meanwhile somebody may say something.
                room.release()
                time.sleep(0.005)
                room.acquire()
            self.name = name
            count = online(1)
            for member in members:
                member.send(f"[SERVER] {name} joined ({count} online)")
            members.append(self)
            self.send(f"AUTH_SUCCESS {name} {self.token}")
            self.recall()
            self.send(users_list())
            lists_change()

    def recall(self):
        limit = {"no-history": 0, "whole-history": -1}.get(FAULT, HISTORY)
        rows = store("SELECT time, name, text FROM messages ORDER BY id DESC LIMIT ?", limit)
        if FAULT == "recalls-before-it-enters":
            rows = self.earlier
        if FAULT != "history-backwards":
            rows.reverse()
        for when, name, text in rows:
            when = "" if FAULT == "history-without-time" else when + " "
            self.send(f"[HISTORY] {when}{name}: {text}")

    def converse(self):
        while (text := self.heard()) is not None:
            if (text.strip() if FAULT == "trims-commands" else text) in ("/quit", "!DISCONNECT"):
                while FAULT == "relays-behind-quit" and b"\n" in self.buffer:
                    relay(self, self.read_line())
                return
            if text == "/logout":
                if FAULT != "tokens-never-end":
                    try:
                        store("DELETE FROM sessions WHERE hash = ?", digest(self.token))
                    except sqlite3.OperationalError:
                        self.send("[SERVER] error: not logged out, try again")
                        continue
                return
            if text:
                relay(self, text.strip() if FAULT == "strips-spaces" else text)

    def heard(self):
        while True:
            try:
                pending = b"\n" in self.buffer
                text = self.read_line()
                # A loose server is late once for lines that come together.
                time.sleep(0 if pending else self.lag)
                return text
            except ValueError:
                if FAULT != "goes-on-after-a-bad-line":
                    raise
                self.send("[SERVER] error: message rejected")

    def serve(self):
        global connections
        with room:
            connections += 1
            connected.add(self)
        try:
            self.enter()
            self.converse()
        except Refused as reason:
            self.send(f"AUTH_FAILED {reason}")
            if FAULT == "stays-after-a-failure":
                time.sleep(60)
        except TooLong:
            self.send("[SERVER] error: line longer than 4096 bytes")
        except TimeoutError:
            self.send("AUTH_FAILED too slow")
        except sqlite3.OperationalError:
            self.send("AUTH_FAILED accounts are out of reach, try again later")
        except (ValueError, UnicodeError):
            for client in list(members) if FAULT == "tells-all-of-bad-lines" else []:
                if client is not self:
                    client.send("[SERVER] error: message rejected")
            # Half a line at the end of the server is nobody's mistake.
            if not self.stopped:
                self.send("[SERVER] error: message rejected")
        except OSError:
            pass
        self.heard_all.set()
        if self.stopped:
            return
        time.sleep(self.lag)
        with room:
            connections -= 1
            connected.discard(self)
            leaving.add(self)
            if self in members:
                depart(self)
        self.finish()

    def close(self):
        try:
            # What the client still sends must not turn the close into a reset.
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(1)
            deadline, most = time.monotonic() + 1, 1 << 20
            while most > 0 and time.monotonic() < deadline and (data := self.sock.recv(65536)):
                most -= len(data)
        except OSError:
            pass
        self.sock.close()


def wait_until_free(name, token):
    """A quarter of a second, in which somebody may leave who comes back at once."""
    taken = lambda: any(key_of(m.name) == key_of(name) and m.token != token for m in members)
    deadline = time.monotonic() + 0.25
    with room:
        while taken() and time.monotonic() < deadline:
            if FAULT == "waits-with-the-lock":
                time.sleep(0.01)
            else:
                room_changes.wait(max(0, deadline - time.monotonic()))


def online(more):
    return connections if FAULT == "counts-the-nameless" else len(members) + more


def depart(client):
    members.remove(client)
    room_changes.notify_all()
    for member in members:
        for _ in range(2 if FAULT == "announces-twice" else 1):
            member.send(f"[SERVER] {client.name} left ({online(0)} online)")
    lists_change()


def wait_for_the_slow():
    """Holds a sender back while a client that reads is behind, for a tenth of a second at most."""
    if FAULT == "blocks-on-slow-clients":
        return
    with room:
        behind = [member for member in members if member.falls_behind()]
    deadline = time.monotonic() + 0.1
    for member in behind:
        if not member.caught_up.wait(max(0, deadline - time.monotonic())):
            member.slow = True


def relay(sender, text):
    wait_for_the_slow()
    with room:
        if sender and sender not in members:
            return  # another connection has taken its place
        name = sender.name if sender else "nobody"
        # First into the database, and then to the others.
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        unstored.append((now, name, text))
        try:
            while unstored:
                store("INSERT INTO messages (time, name, text) VALUES (?, ?, ?)", *unstored[0])
                del unstored[0]
        except sqlite3.OperationalError:
            if FAULT != "stores-later-what-it-refused":
                unstored.clear()
            if sender:
                sender.send("[SERVER] error: message not stored, try again")
            return
        shown = sender.address if FAULT == "relays-the-address" and sender else name
        for member in members:
            if member is not sender or FAULT == "echoes-to-the-sender":
                member.send(f"{shown}: {text}")


def users_list():
    names = [member.name for member in members]
    if FAULT != "lists-in-order-of-arrival":
        names.sort(key=str.lower if FAULT == "sorts-without-case" else None)
    return "[USERS_LIST] " + ",".join(names)


def lists_change():
    if FAULT == "list-per-arrival":
        for member in members:
            member.send(users_list())
    elif FAULT != "no-new-lists":
        list_due.set()


def send_lists():
    """A thread of its own: the list to all, a moment after it has changed."""
    while True:
        list_due.wait()
        time.sleep(GATHER)
        list_due.clear()
        with room:
            for member in members if len(members) <= 100 else []:
                member.send(users_list())


def accept(listener, client):
    while True:
        try:
            sock, address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            return
        threading.Thread(target=client(sock, address).serve, daemon=True).start()


def read_key():
    global envelope
    envelope = Envelope("chat.key")
    if FAULT == "has-one-key":
        envelope.authenticate = envelope.encrypt


def main(client, background):
    """Serves with one `client` a connection, and `background` in a thread of its own."""
    listener = socket.create_server((options["--host"], int(options["--port"])), backlog=128)
    if "--trace" in options:
        print("Listening on %s:%d" % listener.getsockname(), flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=accept, args=[listener, client], daemon=True).start()
    threading.Thread(target=background, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    stopping.set()
    listener.close()
    # What has come by now is heard.
    waker.close()
    deadline = time.monotonic() + 2.5
    with room:
        talking = list(connected)
    for client in talking if FAULT != "forgets-what-came" else []:
        client.heard_all.wait(max(0, deadline - time.monotonic()))
    with room:
        members.clear()
        for client in connected:
            if FAULT != "silent-end":
                client.send("[SERVER] server is shutting down")
            client.finish()
        closing = list(connected | leaving)
    deadline = time.monotonic() + 2
    for client in closing:
        client.writer.join(max(0, deadline - time.monotonic()))
    os._exit(0)


if __name__ == "__main__":
    read_key()
    open_database(SCHEMA)
    main(Client, send_lists)
