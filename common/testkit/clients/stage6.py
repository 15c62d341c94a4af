#!/usr/bin/env python3
"""A stage 6 client in another language, to test the graded checks with.

Written against the contract alone. `--fault NAME` makes it wrong in one way, each
a mistake that people make; `--list-faults` prints their names. Example, in a
folder with a `chat.key`:

    python3 stage6.py --host 127.0.0.1 --port 9006 --fault forgets-its-token
"""

import os
import queue
import re
import select
import socket
import sys
import threading
import time

from stage4 import escape

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from stage6_envelope import Envelope  # noqa: E402

FAULTS = {
    "sends-in-the-clear": "seals nothing",
    "fixes-its-iv": "makes one IV at its start",
    "shows-forgeries": "shows a line whose tag is wrong",
    "shows-what-is-not-sealed": "shows a line as it came when it does not open",
    "shows-escapes": "prints control characters raw",
    "escapes-control-characters-only": "shows what is not seen as it is",
    "keeps-cr": "leaves the CR of a CR LF in the line",
    "drops-every-cr": "takes all CRs at the end of a line for its end",
    "reads-its-input-as-text": "ends a line of its input at a CR, too",
    "answers-with-empty-lines": "takes an empty line for the end of its input",
    "says-goodbye-in-the-clear": "sends its last word as in stage 5",
    "keeps-its-time-out": "has a time-out of five seconds for the connect, and for all that follows",
    "limits-no-answers": "sends an answer of any length in the login",
    "limits-characters": "counts the characters of a text, and not its bytes",
    "cuts-long-texts": "sends the first 3023 bytes of a text",
    "takes-logout-now-for-logout": "takes every input that begins with /logout for it",
    "believes-anybody-about-elsewhere": "takes `you logged in elsewhere` for the server's, whoever says it",
    "calls-a-reset-a-success": "ends with 0 after a reset in the dialogue",
    "waits-for-an-answer": "notices the end of the server in the dialogue at the next line of input only",
    "takes-silence-for-the-end": "ends in the dialogue when nothing was typed yet",
    "stays-without-an-answer": "does not close its half when the input ends in the dialogue",
    "cuts-long-lines": "shows 3023 characters of a line",
    "hides-the-login": "shows neither the questions nor AUTH_SUCCESS",
    "ignores-refusals": "waits on after AUTH_FAILED",
    "calls-a-refusal-a-success": "ends with 0 after AUTH_FAILED",
    "takes-a-user-for-a-refusal": "ends when a user called AUTH_FAILED speaks",
    "ends-hastily": "ends at the end of its input",
    "never-comes-back": "ends with its connection",
    "stays-away-after-a-shutdown": "takes a shutdown for the end of all",
    "comes-back-as-somebody-new": "asks for a login after a lost connection",
    "keeps-its-first-token": "comes back with the token of the first login",
    "tries-once": "takes a refused connection for the end of all",
    "says-its-last-line-again": "says on the next connection what it has said last",
    "speaks-before-it-is-back": "sends what is typed before RESUME is answered",
    "sends-behind-quit": "sends what is typed behind /quit",
    "comes-back-at-once": "makes no pauses between its attempts",
    "comes-back-for-ever": "tries again when its token is refused",
    "comes-back-from-elsewhere": "does not know `you logged in elsewhere`",
    "comes-back-after-quit": "takes its own /quit for a lost connection",
    "comes-back-after-logout": "takes its own /logout for a lost connection",
}


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def chosen(faults):
    """The fault that the command line asks for, one of these, or None."""
    if "--list-faults" in sys.argv:
        print("\n".join(faults))
        sys.exit()
    fault = option("--fault")
    if fault is not None and fault not in faults:
        sys.exit(f"no such fault: {fault}")
    return fault


# The client of stage 8 is made of this file, and has faults of its own.
FAULT = chosen(FAULTS) if __name__ == "__main__" else None

IV = os.urandom(16)
QUIT = ("/quit", "!DISCONNECT")
LONGEST = 3023  # bytes of a text
envelope = None  # until main() has read the key
typed = queue.Queue()
token = None
over = False  # the connection may end: there is no coming back
refused = False
lost = threading.Event()  # the connection has ended
room = None  # from stage 7 on: where the server has said that this user is
last = []  # what was said last
showing = threading.Lock()  # of standard output: from stage 8 on two threads show lines


def read_input():
    """A thread of its own: the lines of input, and None behind the last."""
    for line in open(0, newline=None) if FAULT == "reads-its-input-as-text" else sys.stdin.buffer:
        line = line.encode() if FAULT == "reads-its-input-as-text" else line
        try:
            typed.put(line.removesuffix(b"\n").removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            sys.stderr.write("error: input that is not UTF-8\n")
            os._exit(1)
    typed.put(None)


def show(text):
    if FAULT == "cuts-long-lines":
        text = text[:3023]
    if FAULT == "escapes-control-characters-only":
        control = [*range(0x20), *range(0x7F, 0xA0)]
        text = text.translate({code: f"\\x{code:02x}" for code in control})
    elif FAULT != "shows-escapes":
        text = escape(text)
    write_line(text)


def write_line(text):
    with showing:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def send(connection, text):
    iv = IV if FAULT == "fixes-its-iv" else os.urandom(16)
    line = text.encode() if FAULT == "sends-in-the-clear" else envelope.seal(text, iv)
    connection.sendall(line + b"\n")


def send_input(connection):
    """Sends what is typed until the connection is lost or the input at its end."""
    global over
    while not lost.is_set():
        try:
            text = typed.get(timeout=0.02)
        except queue.Empty:
            continue
        if text is None or text in QUIT:
            over = FAULT != "comes-back-after-quit" or text is None
            if text is None and FAULT == "ends-hastily":
                os._exit(0)
            if text and FAULT == "says-goodbye-in-the-clear":
                connection.sendall(b"!DISCONNECT\n")
            if text and FAULT == "sends-behind-quit":
                send(connection, typed.get())
            connection.shutdown(socket.SHUT_WR)
            return
        loosely = FAULT == "takes-logout-now-for-logout" and text.startswith("/logout")
        if (text == "/logout" or loosely) and FAULT != "comes-back-after-logout":
            over = True
        if FAULT == "cuts-long-texts":
            text = text[:LONGEST]
        must_fit(text)
        if text:
            last[:] = [text]
            send(connection, text)


def must_fit(text):
    """A text that does not fit into a line ends the client."""
    if len(text if FAULT == "limits-characters" else text.encode()) > LONGEST:
        sys.stderr.write(f"error: not sent: a text has at most {LONGEST} bytes\n")
        os._exit(1)


def unsealed(line):
    try:
        return envelope.open(line, FAULT != "shows-forgeries")
    except ValueError:
        if FAULT == "shows-what-is-not-sealed":
            return line.decode()
        sys.stderr.write("error: a line that nobody with the key has sealed\n")
        os._exit(1)


def next_answer(connection):
    """The next line of input that is not empty; None at its end, and at the server's."""
    while True:
        try:
            text = typed.get(timeout=0.02)
        except queue.Empty:
            if FAULT != "waits-for-an-answer" and (FAULT == "takes-silence-for-the-end" or is_closed(connection)):
                return None
            continue
        if text == "" and FAULT == "answers-with-empty-lines":
            return "/quit"
        if text != "":
            return text


def is_closed(connection):
    """Whether the server has closed, and nothing more is to be read."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    return not connection.recv(1, socket.MSG_PEEK)


def answers(connection, text):
    """What the login asks for; true when `text` was a question."""
    if text == "AUTH_REQUIRED" and token and FAULT != "comes-back-as-somebody-new":
        send(connection, f"RESUME {token}")
    elif text in ("AUTH_REQUIRED", "ENTER_USERNAME", "ENTER_PASSWORD"):
        answer = next_answer(connection)
        if answer is None and FAULT == "stays-without-an-answer":
            return True
        if answer is None:
            connection.shutdown(socket.SHUT_WR)
        else:
            if FAULT != "limits-no-answers":
                must_fit(answer)
            send(connection, answer)
    else:
        return False
    return True


def came_in(connection, name):
    """After AUTH_SUCCESS: a client that comes back goes to its room; stage 8 has more to say."""
    if room not in (None, "lobby"):
        send(connection, f"/join {room}")


def lines_of(connection):
    return connection.makefile("rb")


def converse(connection):
    """One connection from AUTH_REQUIRED to its end."""
    global token, over, refused, room
    lost.clear()
    sender = threading.Thread(target=send_input, args=(connection,), daemon=True)
    try:
        for line in lines_of(connection):
            line = line.rstrip(b"\r\n") if FAULT == "drops-every-cr" else line.removesuffix(b"\n")
            text = unsealed(line if FAULT == "keeps-cr" else line.removesuffix(b"\r"))
            asked = text in ("AUTH_REQUIRED", "ENTER_USERNAME", "ENTER_PASSWORD") or text.startswith("AUTH_SUCCESS ")
            if not (asked and FAULT == "hides-the-login"):
                show(text)
            if answers(connection, text):
                if token and FAULT == "speaks-before-it-is-back":
                    sender.start()
                continue
            if text.startswith("AUTH_SUCCESS "):
                if token is None or FAULT != "keeps-its-first-token":
                    token = text.split(" ")[2]
                came_in(connection, text.split(" ")[1])
                for again in last if FAULT == "says-its-last-line-again" else []:
                    send(connection, again)
                if not sender.ident:
                    sender.start()
            if text.startswith("AUTH_FAILED" if FAULT == "takes-a-user-for-a-refusal" else "AUTH_FAILED "):
                refused = FAULT != "calls-a-refusal-a-success"
                if FAULT == "ignores-refusals":
                    time.sleep(60)
                over = over or FAULT != "comes-back-for-ever"
            if text == "[SERVER] server is shutting down" and FAULT == "stays-away-after-a-shutdown":
                over = True
            if FAULT == "believes-anybody-about-elsewhere" and "you logged in elsewhere" in text:
                over = True
            if text == "[SERVER] you logged in elsewhere" and FAULT != "comes-back-from-elsewhere":
                over = True
            # From stage 7 on.
            moved = re.fullmatch(r"\[SERVER\] you are in (\S+) \(\d+ online\)", text)
            if moved:
                room = moved[1]
            if text.startswith("[SERVER] you were kicked by ") and FAULT != "comes-back-after-a-kick":
                over = True
    finally:
        # What is typed now is for the next connection.
        lost.set()
        if sender.ident:
            sender.join()


def connect():
    seconds = 5 if FAULT == "keeps-its-time-out" else None
    return socket.create_connection((option("--host"), int(option("--port"))), timeout=seconds)


def main():
    global refused
    threading.Thread(target=read_input, daemon=True).start()
    pause = 0.05
    while not over:
        reached = False
        try:
            with connect() as connection:
                reached, before = True, token
                converse(connection)
                pause = 0.05 if token != before else pause
        except OSError as error:
            if (token is None) != over and FAULT != "calls-a-reset-a-success":
                sys.stderr.write(f"error: the connection broke off: {error}\n")
                refused = True
        gives_up = FAULT == "never-comes-back" or FAULT == "tries-once" and not reached
        if gives_up or token is None:
            break
        if not over:
            time.sleep(0.2 if FAULT == "comes-back-at-once" else pause)
            pause = min(pause * 2, 5)
    sys.stdout.flush()
    os._exit(1 if refused else 0)


if __name__ == "__main__":
    envelope = Envelope("chat.key")
    main()
