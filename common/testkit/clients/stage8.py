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
    """A line that was typed, or an answer of the dialogue."""
    command, _, rest = text.partition(" ")
    if command == "/msg" and " " in rest and me and FAULT != "whispers-in-the-clear":
        name, _, said = rest.partition(" ")
        when_known(name, lambda key: whisper(name, key, said))
    else:
        put(text)


def put(text):
    link.sendall(text.encode() + b"\n")


def when_known(name, act):
    """Does it with that person's key, at once or when the server has given it."""
    with lock:
        key = known.get(name.lower())
        if key is None:
            waiting.setdefault(name.lower(), []).append(act)
    if key is None:
        put(f"/key {name}")
    else:
        act(key)


def whisper(name, key, text):
    if key is False:
        base.show(f"the key of {name} has changed: nothing is sent")
        return
    secret = os.urandom(32) if FAULT == "seals-anonymously" else SECRET
    aad = b"" if FAULT == "leaves-out-the-names" else f"{me}>{name}".encode()
    put(f"/dm {name} {seal(secret, key, INFO, aad, text)}")


def hear(name, key, sealed):
    if sealed in seen and FAULT != "shows-replays":
        return
    try:
        if key is False:
            raise ValueError("a key that changed")
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
        before = known.get(name.lower())
        changed = before is not None and before != key and FAULT != "believes-a-new-key"
        # False stays false: somebody has to look into it.
        known[name.lower()] = False if changed else key
        acts = waiting.pop(name.lower(), [])
    if changed:
        show_line(f"WARNING: the key of {name} has changed")
    for act in acts:
        act(False if changed else key)


show_line = base.show


def show(text):
    """A line of the server's: a key, something sealed, or what is to be shown."""
    kind, _, rest = text.partition(" ")
    name, _, data = rest.partition(" ")
    if kind == "[KEY]":
        learn(name, base64.b64decode(data))
    elif kind == "[DM]":
        when_known(name, lambda key: hear(name, key, data))
    else:
        show_line(text)


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
base.unsealed = bytes.decode

if __name__ == "__main__":
    base.main()
