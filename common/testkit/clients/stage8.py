#!/usr/bin/env python3
"""A stage 8 client in another language, to test the graded checks with.

Written against the contract alone, on top of stage6.py. `--fault NAME` makes it
wrong in one way, each a mistake that people make; `--list-faults` prints their
names. Example:

    python3 stage8.py --host 127.0.0.1 --port 9008 --ca certs/ca.pem --fault checks-no-name
"""

import base64
import os
import re
import socket
import ssl
import sys
import threading
import time

import stage6 as base
from stage8_hpke import dh, public_of, seal, unseal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from stage8_bridge import HalfClosable, bridged  # noqa: E402

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
    "looks-for-replays-too-early": "looks whether it knows a message before it waits for its sender's key",
    "shows-what-does-not-open": "shows what it cannot open as it came",
    "believes-a-new-key": "takes the server's word for a changed key",
    "shows-escapes-of-others": "escapes before it opens",
    "takes-other-spellings": "opens what is no strict base64",
    "shows-equal-texts-once": "takes the same text for the same message",
    "keeps-one-message-for-a-key": "shows the last message alone that waited for a key",
    "forgets-with-the-connection": "takes any key, and any message again, on a new connection",
    "asks-anew-for-a-key": "takes another key when a message does not open",
    "lowers-the-names": "seals with names in small letters",
    "says-its-key-last": "publishes its key behind what was typed",
    "waits-a-second-for-a-key": "lets what was typed overtake a message whose key comes late",
    "knows-two-errors-alone": "waits for ever when the server has words of its own for a missing key",
    "trips-over-a-key-that-is-none": "ends when it is given a key that is none",
    "hides-what-is-too-long": "does not send a long private message, and does not say so",
    "gives-up-without-a-word": "does not say that a message was not sent when the server has words of its own",
    "sends-what-it-gave-up": "sends a message after all when the key comes later",
    "hides-a-changed-key": "sends nothing under a changed key, and says nothing of it",
    "seals-any-length": "sends private messages that no server takes",
    "limits-characters-in-private": "counts the characters of a private text, and not its bytes",
    "takes-the-next-key": "takes the next key that comes for the one that it has asked for",
    "says-nothing-of-what-does-not-open": "hides that a message could not be opened",
    "says-nothing-without-a-key": "hides that a message was not sent",
    "trusts-the-system-as-well": "takes the system's authorities beside the one that it was given",
    "verifies-the-first-time-only": "accepts any certificate when it comes back",
    "takes-loopback-for-localhost": "looks for the name localhost in place of its address",
    "minds-no-dates": "accepts a certificate that is not valid now",
    "accepts-what-it-has-not": "agrees on a compression that it does not do",
    "trips-over-no-utf8": "ends at a line that is not UTF-8",
    "keeps-carriage-returns": "takes the CR of CR LF into the text",
    "takes-a-cut-for-an-end": "ends with 0 when the connection was cut off",
    "closes-both-halves": "does not read on after its last word",
    "reads-nothing-while-it-half-closes": "takes what comes behind its close_notify for an error",
    "stays-in-the-lobby": "does not go back to its room",
    "remembers-the-room-that-was-typed": "goes back to the room of the last /join, whatever the server said",
    "comes-back-after-a-kick": "takes a kick for a lost connection",
}
FAULT = base.chosen(FAULTS) if __name__ == "__main__" else None

INFO = b"chat e2e"
SECRET = os.urandom(32)
LONGEST = 2994  # bytes of a private text
KEY_TIMEOUT = 5  # seconds
lock = threading.Lock()  # of all that follows: one thread sends, another one hears
known = {}  # keys by name
waiting = {}  # what waits for a key, by name
seen = set()
me = None
room = None
link = None


def connect():
    address = (base.option("--host"), int(base.option("--port")))
    plain = socket.create_connection(address)
    trust = ssl.create_default_context(cafile=base.option("--ca"))
    blind = FAULT == "verifies-nothing" or FAULT == "verifies-the-first-time-only" and base.token
    if FAULT == "checks-no-name" or blind:
        trust.check_hostname = False
    if blind:
        trust.verify_mode = ssl.CERT_NONE
    if FAULT == "trusts-the-system-as-well":
        trust.load_default_certs()
    if FAULT == "minds-no-dates":
        trust.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
    name = "localhost" if FAULT == "takes-loopback-for-localhost" else base.option("--host")
    try:
        if FAULT == "reads-nothing-while-it-half-closes":
            tls = trust.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)
        else:
            tls = HalfClosable(trust, plain, name)
    except OSError as error:
        if FAULT == "falls-back-to-plain-text":
            return socket.create_connection(address)
        sys.stderr.write(f"error: no encrypted connection: {error}\n")
        if base.token is None:
            os._exit(1)
        raise
    return bridged(tls, half_closes=FAULT != "closes-both-halves")


def send(connection, text):
    """A line that was typed, or an answer of the login."""
    command, _, rest = text.partition(" ")
    name, _, said = rest.partition(" ")
    right = command == "/msg" and name and said.strip() and me
    if FAULT == "remembers-the-room-that-was-typed" and command == "/join" and name:
        global room
        room = name
    if FAULT == "whispers-in-the-clear" or FAULT == "sends-what-is-mistyped" and not right:
        put(text)
    elif not text.lower().startswith("/msg"):
        put(text)
    elif not right:
        show_line("(not sent: the command is /msg USER TEXT, after the login)")
    elif length_of(said) > LONGEST and FAULT != "seals-any-length":
        if FAULT != "hides-what-is-too-long":
            show_line(f"(not sent: a private message holds {LONGEST} bytes of text at most)")
    else:
        done = threading.Event()
        act = lambda name, key: whisper(name, key, said, done)
        when_known(name, act)
        # What is typed next stays behind it.
        deadline = time.monotonic() + (1 if FAULT == "waits-a-second-for-a-key" else KEY_TIMEOUT)
        while FAULT != "overtakes-private-messages" and not base.lost.is_set() and not done.wait(0.05):
            patient = FAULT in ("knows-two-errors-alone", "waits-for-a-key-that-is-none")
            if time.monotonic() > deadline and not patient:
                if FAULT != "gives-up-without-a-word":
                    give_up(name, act, done)
                break
        if base.lost.is_set() and not done.is_set():
            give_up(name, act, done)


def length_of(text):
    return len(text if FAULT == "limits-characters-in-private" else text.encode())


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


def give_up(name, act, done):
    """No answer about the key has come that can be made out: nothing is sent."""
    if FAULT != "waits-a-second-for-a-key":
        with lock:
            acts = waiting.get(name.lower(), [])
            if (name, act) not in acts:
                return
            if FAULT != "sends-what-it-gave-up":
                acts.remove((name, act))
        show_line(f"(not sent: the server does not say which key {name} has)")
    done.set()


def about(sender, receiver):
    """The aad of a private message."""
    if FAULT == "leaves-out-the-names":
        return b""
    names = f"{sender}>{receiver}"
    return (names.lower() if FAULT == "lowers-the-names" else names).encode()


def whisper(name, key, text, done):
    if key:
        secret = os.urandom(32) if FAULT == "seals-anonymously" else SECRET
        put(f"/dm {name} {seal(secret, key, INFO, about(me, name), text)}")
    elif FAULT not in ("says-nothing-without-a-key", "hides-a-changed-key"):
        show_line(f"(not sent: the key of {name} has changed, or is none)")
    done.set()


def hear(name, key, sealed):
    if sealed in seen and FAULT not in ("shows-replays", "looks-for-replays-too-early"):
        return
    try:
        if not key:
            raise ValueError("a key that changed, or is none")
        text = unseal(SECRET, key, INFO, about(name, me), sealed, FAULT != "takes-other-spellings")
    except (ValueError, UnicodeError):
        if FAULT == "asks-anew-for-a-key" and key:
            known.pop(name.lower(), None)
            when_known(name, lambda name, key: hear(name, key, sealed))
            return
        if FAULT == "says-nothing-of-what-does-not-open":
            return
        text = f"(cannot open) {sealed}"
        if FAULT != "shows-what-does-not-open":
            text = "(cannot open)"
    else:
        if FAULT == "shows-equal-texts-once":
            if (name, text) in seen:
                return
            seen.add((name, text))
        seen.add(sealed)
    line = f"[private] {name}: {text}"
    print(line, flush=True) if FAULT == "shows-escapes-of-others" else show_line(line)


def learn(name, text):
    try:
        key = base64.b64decode(text, validate=True)
        dh(SECRET, key)
    except ValueError:
        if FAULT == "trips-over-a-key-that-is-none":
            raise
        key = None
    if key is None:
        if FAULT != "says-nothing-without-a-key":
            show_line(f"(the server gives out no usable key of {name})")
        with lock:
            acts = waiting.pop(name.lower(), [])
        for typed, act in acts:
            act(name, None)
        return
    with lock:
        before = known.get(name.lower(), (name, None))[1]
        changed = before is not None and before != key and FAULT != "believes-a-new-key"
        # False stays false: somebody has to look into it.
        known[name.lower()] = name, not changed and key
        acts = waiting.pop(name.lower(), [])
        if FAULT == "takes-the-next-key":
            acts += [act for asked in list(waiting) for act in waiting.pop(asked)]
        if FAULT == "keeps-one-message-for-a-key":
            acts = acts[-1:]
    if changed and FAULT != "hides-a-changed-key":
        show_line(f"WARNING: the key of {name} has changed")
    for typed, act in acts:
        as_typed = FAULT == "seals-for-the-name-as-typed" or typed.lower() != name.lower()
        act(typed if as_typed else name, not changed and key)


def learn_that_none_is_there(error):
    """Somebody whose key was asked for has none: what waits for it does so in vain."""
    about = lambda name: error.lower() in (f"no user {name}", f"{name} has published no key")
    with lock:
        acts = [acts for name in list(waiting) if about(name) for acts in waiting.pop(name)]
    for name, act in acts if FAULT != "waits-for-a-key-that-is-none" else []:
        act(name, None)


show_line, any_answer = base.show, base.next_answer


def show(text):
    """A line of the server's: a key, something sealed, or what is to be shown."""
    kind, _, rest = text.partition(" ")
    name, _, data = rest.partition(" ")
    if kind == "[KEY]":
        learn(name, data)
    elif kind == "[DM]" and (data not in seen or FAULT != "looks-for-replays-too-early"):
        when_known(name, lambda name, key: hear(name, key, data))
    elif kind == "[private]" and FAULT != "marks-nothing":
        show_line(f"[private, in the clear] {rest}")
    else:
        show_line(text)
        if text.startswith("[SERVER] error: "):
            learn_that_none_is_there(text.removeprefix("[SERVER] error: "))
        notice(text)


def notice(text):
    """What the server says about this client itself."""
    global room
    moved = re.fullmatch(r"\[SERVER\] you are in (\S+) \(\d+ online\)", text)
    if moved and FAULT != "remembers-the-room-that-was-typed":
        room = moved[1]
    if text == "COMPRESS DEFLATE" and FAULT == "accepts-what-it-has-not":
        put(text)


def lines_of(connection):
    for line in connection.makefile("rb"):
        if line.endswith(b"\n") or not connection.bridge.cut or FAULT == "shows-half-a-line":
            if is_utf8(line) or FAULT == "trips-over-no-utf8":
                yield line
            else:
                sys.stderr.write("(a line that is not valid UTF-8)\n")
    # Nobody has said that this is the end: there was an attacker, perhaps.
    if connection.bridge.cut and (base.over or base.token is None) and FAULT != "takes-a-cut-for-an-end":
        sys.stderr.write("error: the connection broke off\n")
        base.refused = True


def is_utf8(line):
    try:
        return line.decode() is not None
    except UnicodeDecodeError:
        return False


def unsealed(line):
    return line.decode()


def next_answer(connection):
    """An answer of the login: a private message is none."""
    answer = any_answer(connection)
    held_back = FAULT not in ("sends-what-is-mistyped", "whispers-in-the-clear")
    while answer and answer.lower().startswith("/msg") and held_back:
        show_line("(not sent: there is no /msg before the login)")
        answer = any_answer(connection)
    return answer


def came_in(connection, name):
    global me
    me = name
    if FAULT == "forgets-with-the-connection":
        known.clear()
        seen.clear()
    if FAULT == "says-its-key-last":
        threading.Timer(0.5, publish).start()
    elif FAULT != "publishes-no-key":
        publish()
    # Every login leads to the lobby.
    if room not in (None, "lobby") and FAULT != "stays-in-the-lobby":
        put(f"/join {room}")


def publish():
    put("/pubkey " + base64.b64encode(public_of(SECRET)).decode())


def connect_and_remember():
    global link
    link = connect()
    return link


base.FAULT = {"keeps-carriage-returns": "keeps-cr"}.get(FAULT, FAULT)
base.LONGEST = 4096
base.connect, base.send, base.show, base.came_in = connect_and_remember, send, show, came_in
base.unsealed, base.lines_of, base.next_answer = unsealed, lines_of, next_answer

if __name__ == "__main__":
    base.main()
