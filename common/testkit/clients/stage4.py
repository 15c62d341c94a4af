#!/usr/bin/env python3
"""A stage 4 client in another language, to test the graded checks with.

Written against the contract alone, with Python's standard library alone.
`--fault NAME` makes it wrong in one way, each a mistake that people make;
`--list-faults` prints their names. Example:

    python3 stage4.py --host 127.0.0.1 --port 9004 --fault prints-raw
"""

import os
import re
import socket
import sys
import threading
import unicodedata

FAULTS = {
    "prints-raw": "escapes nothing",
    "escapes-esc-only": "escapes ESC and no other control character",
    "escapes-backslashes": "shows a backslash as two",
    "escapes-in-capitals": "writes \\x1B",
    "escapes-all-but-ascii": "shows text as Python's repr would",
    "escapes-half-of-the-unseen": "knows direction marks and zero width spaces, and no more",
    "leaves-the-flags-of-tags": "shows the tag characters behind a flag as they are",
    "piles-up-marks": "shows any number of combining marks on a letter",
    "strips-what-comes": "strips the blanks of received lines",
    "hides-empty-lines": "prints no empty line",
    "splits-at-cr": "ends a received line at a CR, too",
    "splits-at-separators": "ends a received line wherever splitlines() does",
    "splits-by-read": "takes one read for one line",
    "decodes-reads": "decodes each read by itself",
    "dies-of-invalid-utf8": "lets the decoder's error end it",
    "mends-invalid-utf8": "shows replacement characters",
    "cuts-long-lines": "shows 4096 bytes of a line",
    "keeps-cr": "leaves the CR of a CR LF in the line",
    "prompts": "prints a prompt on a pipe",
    "echoes": "prints what is typed",
    "buffers-output": "does not flush",
    "strips-input": "strips what is typed",
    "sends-empty-lines": "sends empty lines",
    "ignores-blank-input": "takes blanks for an empty line",
    "quits-in-any-case": "takes /QUIT for /quit",
    "quits-by-prefix": "takes every input that begins with /quit for it",
    "sends-quit": "sends /quit as a message",
    "sends-after-quit": "sends what is typed behind /quit",
    "closes-at-once": "closes at the end of its input, whatever still comes",
    "never-half-closes": "keeps its sending half open at the end of its input",
    "waits-for-input": "notices the end of the server at the next line of input only",
    "loses-the-last-line": "ends its printing thread before all is printed",
    "counts-marks-of-the-line": "counts the combining marks of a line, not of a letter",
    "escapes-every-joiner": "spells the joiners out that Persian needs",
    "keeps-every-joiner": "shows joiners as they are, between Latin letters too",
    "sends-what-is-no-utf8": "sends its input as it is, text or not",
    "prints-disconnect": "prints a !DISCONNECT that it receives, and stays",
    "keeps-its-time-out": "has a time-out of five seconds for the connect, and for all that follows",
    "calls-a-reset-a-success": "ends with 0 after a reset",
    "calls-every-end-a-failure": "ends with 1 when the server has closed",
    "waits-half-a-second": "ends half a second after its input, whatever still comes",
    "outlives-a-reset": "lets a reset end its printing thread, and nothing else",
}

# Unicode's Default_Ignorable_Code_Point and what else is not seen.
UNSEEN = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What writing needs of it, where it needs it.
LETTER = "[\u0600-\u061b\u061d-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af]"
EMOJI = "\xa9\xae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
NEEDED = (
    f"(?<={LETTER})[\u200c\u200d](?={LETTER})|(?<=[{EMOJI}\ufe0f])\u200d(?=[{EMOJI}])"
    f"|(?<=[{EMOJI}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)

fault = None


def escape(text):
    if fault == "prints-raw":
        return text
    if fault == "escapes-esc-only":
        return text.replace("\x1b", "\\x1b")
    if fault == "escapes-all-but-ascii":
        return text.encode("unicode_escape").decode()
    if fault == "escapes-backslashes":
        text = text.replace("\\", "\\\\")
    digits = "\\x%02X" if fault == "escapes-in-capitals" else "\\x%02x"
    text = re.sub("[\0-\x1f\x7f-\x9f]", lambda c: digits % ord(c[0]), text)
    spelled = lambda c: "\\u{%04x}" % ord(c)
    unseen = "\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff" if fault == "escapes-half-of-the-unseen" else UNSEEN
    needed = {"escapes-every-joiner": "(?!)", "keeps-every-joiner": "[\u200c\u200d]"}.get(fault, NEEDED)
    if fault == "leaves-the-flags-of-tags":
        needed += "|(?<=[\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007f]"
    text = re.sub(f"({needed})|[{unseen}]", lambda c: c[1] or spelled(c[0]), text)
    return text if fault == "piles-up-marks" else with_few_marks(text, spelled)


def with_few_marks(text, spelled):
    """At most six combining marks on a letter, and none without one."""
    shown, marks = "", 0
    for c in text:
        if unicodedata.category(c) in ("Mn", "Me"):
            marks += 1
        elif fault != "counts-marks-of-the-line":
            marks = 0
        elif marks > 6:
            shown += c
            continue
        shown += spelled(c) if marks > 6 or marks and not shown else c
    return shown


def show(line):
    """Prints one received line, given as bytes without its line end."""
    if fault == "cuts-long-lines":
        line = line[:4096]
    try:
        text = line.decode("utf-8", "replace" if fault == "mends-invalid-utf8" else "strict")
    except UnicodeDecodeError:
        if fault == "dies-of-invalid-utf8":
            os._exit(1)
        print("(a line that is not valid UTF-8)", file=sys.stderr)
        return
    if fault == "strips-what-comes":
        text = text.strip()
    if fault == "hides-empty-lines" and not text:
        return
    parts = text.splitlines() or [""] if fault == "splits-at-separators" else [text]
    for part in parts:
        sys.stdout.write(escape(part) + "\n")
    if fault != "buffers-output":
        sys.stdout.flush()


def receive(sock):
    """The printing thread: it ends the program, whose input may still be open."""
    try:
        show_all(sock)
    except OSError as error:
        if fault == "outlives-a-reset":
            return
        print(f"error: the connection is lost: {error}", file=sys.stderr, flush=True)
        os._exit(0 if fault == "calls-a-reset-a-success" else 1)
    if fault != "waits-for-input":
        sys.stdout.flush()
        os._exit(1 if fault == "calls-every-end-a-failure" else 0)


def show_all(sock):
    buffer = b""
    while data := sock.recv(65536):
        if fault == "splits-by-read":
            show(data.rstrip(b"\r\n"))
            continue
        if fault == "decodes-reads":
            data = data.decode("utf-8", "replace").encode()
        if fault == "splits-at-cr":
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            if line.removesuffix(b"\r") == b"!DISCONNECT" and fault != "prints-disconnect":
                return
            show(line if fault == "keeps-cr" else line.removesuffix(b"\r"))
    if buffer:
        show(buffer)


def is_quit(line):
    if fault == "sends-quit":
        return line == b"!DISCONNECT"
    if fault == "quits-in-any-case":
        line = line.lower()
    if fault == "quits-by-prefix" and line.startswith(b"/quit"):
        return True
    return line in (b"/quit", b"!DISCONNECT", b"!disconnect" if fault == "quits-in-any-case" else b"/quit")


def is_utf8(line):
    try:
        line.decode()
        return True
    except UnicodeDecodeError:
        return False


def main(arguments):
    global fault
    if arguments == ["--list-faults"]:
        print("\n".join(FAULTS))
        return 0
    options = dict(zip(arguments[::2], arguments[1::2]))
    fault = options.get("--fault")
    if fault is not None and fault not in FAULTS:
        sys.exit(f"error: there is no fault {fault!r}")
    seconds = 5 if fault == "keeps-its-time-out" else None
    sock = socket.create_connection((options["--host"], int(options["--port"])), timeout=seconds)
    receiver = threading.Thread(target=receive, args=[sock], daemon=True)
    receiver.start()
    if fault == "prompts":
        print("> ", end="", flush=True)
    for line in sys.stdin.buffer:
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if fault != "sends-what-is-no-utf8" and not is_utf8(line):
            sys.exit("error: the input is not UTF-8")
        if fault == "echoes":
            print(line.decode(), flush=True)
        if fault == "strips-input":
            line = line.strip()
        if is_quit(line):
            sock.sendall(b"!DISCONNECT\n")
            if fault != "sends-after-quit":
                break
            continue
        if line and not (fault == "ignores-blank-input" and not line.strip()) or fault == "sends-empty-lines":
            sock.sendall(line + b"\n")
        if not receiver.is_alive():
            return 0
    if fault in ("closes-at-once", "loses-the-last-line"):
        if fault == "loses-the-last-line":
            sock.shutdown(socket.SHUT_WR)
        os._exit(0)
    if fault != "never-half-closes":
        sock.shutdown(socket.SHUT_WR)
    receiver.join(0.5 if fault == "waits-half-a-second" else None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
