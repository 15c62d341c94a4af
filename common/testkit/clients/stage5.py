#!/usr/bin/env python3
"""A stage 5 client in another language, to test the graded checks with.

Written against the contract (docs/src/contract.md) alone, with Python's standard library and, for AES,
the program `openssl`. `--fault NAME` makes it wrong in one way, each a mistake
that people make; `--list-faults` prints their names. Example, in a folder with
a `chat.key`:

    python3 stage5.py --host 127.0.0.1 --port 9005 --fault fixes-its-iv
"""

import base64
import os
import socket
import subprocess
import sys
import threading

from stage4 import escape

FAULTS = {
    "sends-in-the-clear": "forgets to encrypt",
    "fixes-its-iv": "takes the IV of the key file for every message",
    "makes-one-iv": "makes one random IV at its start",
    "counts-ivs": "takes 1, 2, 3, … for IVs",
    "leaves-out-the-iv": "sends the ciphertext alone",
    "sends-hexadecimal": "sends hexadecimal digits in place of base64",
    "cuts-base64-padding": "leaves out the = at the end",
    "sends-url-safe-base64": "has - and _ in its base64",
    "pads-with-zeros": "fills the last block with zeros",
    "takes-digits-for-bytes": "takes the first 32 digits for the key",
    "shows-what-it-cannot-decrypt": "shows the ciphertext instead",
    "hides-what-it-cannot-decrypt": "shows nothing instead",
    "dies-of-what-it-cannot-decrypt": "lets the exception end the program",
    "tells-why": "shows its exception's text",
    "decrypts-notices": "takes the server's notices for messages",
    "splits-at-the-first-bracket": "knows no IPv6 addresses",
    "escapes-control-characters-only": "shows what is not seen as it is",
    "keeps-cr": "leaves the CR of a CR LF in the line",
    "skips-what-is-no-base64": "leaves out what is no base64 before it decodes",
    "says-quit-as-typed": "sends /quit as it is",
    "encrypts-empty-lines": "sends an empty text for an empty line",
    "cuts-long-texts": "sends the first 3055 bytes of a text",
    "escapes-before-decrypting": "escapes the line and then decrypts",
    "encrypts-disconnect": "encrypts !DISCONNECT too",
    "ends-hastily": "ends at the end of its input",
    "measures-characters": "counts the characters of a text, not its bytes",
    "believes-the-last-byte": "looks at the last byte of the padding only",
    "pads-by-any-number": "takes more than 16 equal bytes for padding",
    "strips-blanks": "takes off the blanks around a text",
    "replaces-what-is-no-utf8": "shows U+FFFD for bytes that are not UTF-8",
    "forgets-what-is-left": "sends no last line without a line end",
    "takes-users-for-the-server": "shows what looks like a notice, whoever sent it",
    "drops-every-cr": "takes all CRs at the end of a line for its end",
    "decrypts-lines-of-lines": "shows each line of a decrypted text on a line",
}


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


if "--list-faults" in sys.argv:
    print("\n".join(FAULTS))
    sys.exit()
FAULT = option("--fault")
if FAULT is not None and FAULT not in FAULTS:
    sys.exit(f"no such fault: {FAULT}")

with open("chat.key") as file:
    fields = dict(line.rstrip("\n").split("=", 1) for line in file)
KEY, FILE_IV = bytes.fromhex(fields["key"]), bytes.fromhex(fields["iv"])
if FAULT == "takes-digits-for-bytes":
    KEY = fields["key"][:32].encode()
LONGEST = 3055
IV_OF_THE_START = os.urandom(16)
sent = 0


def aes(direction, iv, data, *more):
    """What `openssl enc` makes of data. The key is on its command line, where
    others can see it: right for a test, and for nothing else."""
    command = ["openssl", "enc", direction, "-aes-256-cbc", "-K", KEY.hex(), "-iv", iv.hex(), *more]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def next_iv():
    global sent
    sent += 1
    if FAULT == "fixes-its-iv":
        return FILE_IV
    if FAULT == "makes-one-iv":
        return IV_OF_THE_START
    if FAULT == "counts-ivs":
        return sent.to_bytes(16, "big")
    return os.urandom(16)


def encrypted(text):
    if FAULT == "sends-in-the-clear":
        return text
    iv, data = next_iv(), text.encode()
    if FAULT == "pads-with-zeros":
        data += bytes(-len(data) % 16)
        message = iv + aes("-e", iv, data, "-nopad")
    else:
        message = iv + aes("-e", iv, data)
    if FAULT == "leaves-out-the-iv":
        message = message[16:]
    if FAULT == "sends-hexadecimal":
        return message.hex()
    if FAULT == "sends-url-safe-base64":
        return base64.urlsafe_b64encode(message).decode()
    line = base64.b64encode(message).decode()
    return line.rstrip("=") if FAULT == "cuts-base64-padding" else line


def decrypted(line):
    try:
        message = base64.b64decode(line, validate=FAULT != "skips-what-is-no-base64")
        if len(message) < 32 or len(message) % 16:
            raise ValueError("wrong length")
        if FAULT == "believes-the-last-byte":
            text = aes("-d", message[:16], message[16:], "-nopad")
            return text[: -text[-1]].decode()
        if FAULT == "pads-by-any-number":
            text = aes("-d", message[:16], message[16:], "-nopad")
            if text[-text[-1] :] != bytes([text[-1]]) * text[-1]:
                raise ValueError("padding")
            return text[: -text[-1]].decode()
        text = aes("-d", message[:16], message[16:])
        return text.decode(errors="replace" if FAULT == "replaces-what-is-no-utf8" else "strict")
    except (ValueError, subprocess.CalledProcessError) as error:
        if FAULT == "dies-of-what-it-cannot-decrypt":
            os._exit(1)
        if FAULT == "shows-what-it-cannot-decrypt":
            return line
        if FAULT == "hides-what-it-cannot-decrypt":
            return None
        if FAULT == "tells-why":
            return f"(cannot decrypt: {type(error).__name__})"
        return "(cannot decrypt)"


def escaped(text):
    if FAULT == "escapes-control-characters-only":
        control = [*range(0x20), *range(0x7F, 0xA0)]
        return text.translate({code: f"\\x{code:02x}" for code in control})
    return escape(text)


def shown(line):
    """The line as it is printed; None for one that is not."""
    if FAULT == "escapes-before-decrypting":
        line = escaped(line)
    notice = line.startswith("[SERVER] ") and FAULT != "decrypts-notices"
    if FAULT == "takes-users-for-the-server" and "[SERVER] " in line:
        notice = True
    if notice or not line.startswith("[") or "] " not in line:
        return escaped(line)
    end = line.index("]" if FAULT == "splits-at-the-first-bracket" else "] ")
    text = decrypted(line[end + 2 :])
    if text is None:
        return None
    if FAULT == "escapes-before-decrypting":
        return line[: end + 1] + " " + text
    if FAULT == "decrypts-lines-of-lines":
        return "\n".join(escaped(line[: end + 1] + " " + part) for part in text.split("\n"))
    return escaped(line[: end + 1] + " " + text)


def receive(connection):
    """The printing thread: it ends the program, whose input may still be open."""
    try:
        show_all(connection)
    except OSError as error:
        print(f"error: the connection is lost: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def show_all(connection):
    with connection.makefile("rb") as lines:
        for line in lines:
            line = line.removesuffix(b"\n")
            if FAULT == "drops-every-cr":
                line = line.rstrip(b"\r")
            elif FAULT != "keeps-cr":
                line = line.removesuffix(b"\r")
            try:
                line = line.decode()
            except UnicodeDecodeError:
                print("(a line that is not valid UTF-8)", file=sys.stderr)
                continue
            if line == "!DISCONNECT":
                break
            line = shown(line)
            if line is not None:
                print(line, flush=True)


def main():
    connection = socket.create_connection((option("--host"), int(option("--port"))))
    receiver = threading.Thread(target=receive, args=(connection,), daemon=True)
    receiver.start()
    for line in sys.stdin.buffer:
        ends = line.endswith(b"\n")
        try:
            line = line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            sys.exit("error: the input is not UTF-8")
        if line in ("!DISCONNECT", "/quit"):
            last = encrypted("!DISCONNECT") if FAULT == "encrypts-disconnect" else "!DISCONNECT"
            last = line if FAULT == "says-quit-as-typed" else last
            connection.sendall(last.encode() + b"\n")
            break
        if FAULT == "strips-blanks":
            line = line.strip()
        if FAULT == "forgets-what-is-left" and not ends:
            break
        if len(line if FAULT == "measures-characters" else line.encode()) > LONGEST:
            if FAULT != "cuts-long-texts":
                sys.exit(f"error: not sent: a text has at most {LONGEST} bytes")
            line = line.encode()[:LONGEST].decode("utf-8", "ignore")
        if line or FAULT == "encrypts-empty-lines":
            connection.sendall(encrypted(line).encode() + b"\n")
    if FAULT == "ends-hastily":
        os._exit(0)
    connection.shutdown(socket.SHUT_WR)
    receiver.join()


main()
