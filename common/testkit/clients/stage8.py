#!/usr/bin/env python3
"""A stage 8 client in another language, to test the graded checks with.

Written against the contract alone, on top of stage6.py. `--fault NAME` makes it
wrong in one way, each a mistake that people make; `--list-faults` prints their
names. Example:

    python3 stage8.py --host 127.0.0.1 --port 9008 --ca certs/ca.pem --fault checks-no-name
"""

import base64
import os
import socket
import ssl
import sys
import threading

import stage6 as base
from stage8_hpke import public_of, seal, unseal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from stage8_bridge import bridged  # noqa: E402

FAULTS = {
    "verifies-nothing": "accepts any certificate",
    "checks-no-name": "accepts a certificate for somebody else",
    "falls-back-to-plain-text": "talks without TLS to whoever speaks none",
    "publishes-no-key": "keeps its key to itself",
    "whispers-in-the-clear": "sends /msg as it was typed",
    "sends-what-is-mistyped": "sends /MSG, /msgbob and a /msg before the login as they were typed",
    "overtakes-private-messages": "sends what is typed behind /msg while it waits for the key",
    "seals-for-the-name-as-typed": "takes the name that was typed into the aad",
    "waits-for-a-key-that-is-none": "says nothing more when somebody has no key",
    "marks-nothing": "shows what was not sealed as if it had been",
    "shows-half-a-line": "shows half a line before a cut",
    "leaves-out-the-names": "seals without aad",
    "seals-anonymously": "seals with a key pair that nobody knows",
    "shows-replays": "shows a sealed message as often as it comes",
    "shows-what-does-not-open": "shows what it cannot open as it came",
    "believes-a-new-key": "takes the server's word for a changed key",
    "shows-escapes-of-others": "escapes before it opens",
}
FAULT = base.chosen(FAULTS) if __name__ == "__main__" else None

INFO = b"chat e2e"
SECRET = os.urandom(32)
lock = threading.Lock()  # of all that follows: one thread sends, another one hears
known = {}  # keys by name
waiting = {}  # what waits for a key, by name
seen = set()
me = None
link = None


def connect():
    address = (base.option("--host"), int(base.option("--port")))
    plain = socket.create_connection(address)
    trust = ssl.create_default_context(cafile=base.option("--ca"))
    if FAULT in ("checks-no-name", "verifies-nothing"):
        trust.check_hostname = False
    if FAULT == "verifies-nothing":
        trust.verify_mode = ssl.CERT_NONE
    try:
        # What was cut off is not to be taken for an end.
        tls = trust.wrap_socket(plain, server_hostname=base.option("--host"), suppress_ragged_eofs=False)
    except OSError as error:
        if FAULT == "falls-back-to-plain-text":
            return socket.create_connection(address)
        sys.stderr.write(f"error: no encrypted connection: {error}\n")
        if base.token is None:
            os._exit(1)
        raise
    return bridged(tls, half_closes=True)


def send(connection, text):
    """A line that was typed, or an answer of the login."""
    command, _, rest = text.partition(" ")
    name, _, said = rest.partition(" ")
    right = command == "/msg" and name and said and me
    if FAULT == "whispers-in-the-clear" or FAULT == "sends-what-is-mistyped" and not right:
        put(text)
    elif not text.lower().startswith("/msg"):
        put(text)
    elif not right:
        show_line("(not sent: the command is /msg USER TEXT, after the login)")
    else:
        done = threading.Event()
        when_known(name, lambda name, key: whisper(name, key, said, done))
        # What is typed next stays behind it.
        while FAULT != "overtakes-private-messages" and not base.lost.is_set() and not done.wait(0.05):
            pass


def put(text):
    try:
        link.sendall(text.encode() + b"\n")
    except OSError:  # it is lost; what came before that is still to be shown
        pass


def when_known(name, act):
    """Does it with that user's key, at once or when the server has given it."""
    with lock:
        registered, key = known.get(name.lower(), (name, None))
        if key is None:
            waiting.setdefault(name.lower(), []).append((name, act))
    if key is None:
        put(f"/key {name}")
    else:
        act(registered, key)


def whisper(name, key, text, done):
    if key:
        secret = os.urandom(32) if FAULT == "seals-anonymously" else SECRET
        aad = b"" if FAULT == "leaves-out-the-names" else f"{me}>{name}".encode()
        put(f"/dm {name} {seal(secret, key, INFO, aad, text)}")
    else:
        show_line(f"(not sent: the key of {name} has changed, or is none)")
    done.set()


def hear(name, key, sealed):
    if sealed in seen and FAULT != "shows-replays":
        return
    try:
        if not key:
            raise ValueError("a key that changed, or is none")
        aad = b"" if FAULT == "leaves-out-the-names" else f"{name}>{me}".encode()
        text = unseal(SECRET, key, INFO, aad, sealed)
    except (ValueError, UnicodeError):
        text = f"(cannot open) {sealed}"
        if FAULT != "shows-what-does-not-open":
            text = "(cannot open)"
    else:
        seen.add(sealed)
    line = f"[private] {name}: {text}"
    print(line, flush=True) if FAULT == "shows-escapes-of-others" else show_line(line)


def learn(name, key):
    with lock:
        before = known.get(name.lower(), (name, None))[1]
        changed = before is not None and before != key and FAULT != "believes-a-new-key"
        # False stays false: somebody has to look into it.
        known[name.lower()] = name, not changed and key
        acts = waiting.pop(name.lower(), [])
    if changed:
        show_line(f"WARNING: the key of {name} has changed")
    for typed, act in acts:
        act(typed if FAULT == "seals-for-the-name-as-typed" else name, not changed and key)


def learn_that_none_is_there(error):
    """Somebody whose key was asked for has none: what waits for it does so in vain."""
    about = lambda name: error.lower() in (f"no user {name}", f"{name} has published no key")
    with lock:
        acts = [acts for name in list(waiting) if about(name) for acts in waiting.pop(name)]
    for name, act in acts if FAULT != "waits-for-a-key-that-is-none" else []:
        act(name, None)


show_line = base.show


def show(text):
    """A line of the server's: a key, something sealed, or what is to be shown."""
    kind, _, rest = text.partition(" ")
    name, _, data = rest.partition(" ")
    if kind == "[KEY]":
        learn(name, base64.b64decode(data))
    elif kind == "[DM]":
        when_known(name, lambda name, key: hear(name, key, data))
    elif kind == "[private]" and FAULT != "marks-nothing":
        show_line(f"[private, in the clear] {rest}")
    else:
        show_line(text)
        if text.startswith("[SERVER] error: "):
            learn_that_none_is_there(text.removeprefix("[SERVER] error: "))


def lines_of(connection):
    for line in connection.makefile("rb"):
        if line.endswith(b"\n") or not connection.bridge.cut or FAULT == "shows-half-a-line":
            yield line


def next_answer():
    """An answer of the login: a private message is none."""
    answer = base.typed.get() or "/quit"
    while answer.lower().startswith("/msg") and FAULT not in ("sends-what-is-mistyped", "whispers-in-the-clear"):
        show_line("(not sent: there is no /msg before the login)")
        answer = base.typed.get() or "/quit"
    return answer


def came_in(connection, name):
    global me
    me = name
    if FAULT != "publishes-no-key":
        put("/pubkey " + base64.b64encode(public_of(SECRET)).decode())


def connect_and_remember():
    global link
    link = connect()
    return link


base.FAULT = None
base.connect, base.send, base.show, base.came_in = connect_and_remember, send, show, came_in
base.unsealed, base.lines_of, base.next_answer = bytes.decode, lines_of, next_answer

if __name__ == "__main__":
    base.main()
