#!/usr/bin/env python3
"""A stage 8 server in another language, to test the graded checks with.

Written against the contract alone, on top of stage7.py: TLS is a layer beneath it,
and `/pubkey`, `/key` and `/dm` come in addition. Its certificates, made by the
`openssl` command, are in `--certs`. `--fault NAME` makes it wrong in one way, each
a mistake that people make; `--list-faults` prints their names. `--plain yes` leaves TLS out. Example:

    python3 stage8.py --host 127.0.0.1 --port 9008 --db chat.db --certs certs --fault tells-no-end
"""

import base64
import os
import socket
import ssl
import subprocess
import threading
import warnings

import stage6 as base
import stage7
from stage7 import Wrong, known
from stage8_bridge import bridged

FAULTS = {
    "speaks-plain-text": "answers whoever speaks no TLS in plain text",
    "speaks-tls-1-3-only": "refuses TLS 1.2",
    "speaks-tls-1-1": "accepts what is broken",
    "has-a-certificate-for-another": "shows a certificate for a name that it does not have",
    "shakes-hands-one-by-one": "does the handshake where it accepts",
    "waits-for-ever-for-a-handshake": "has no time limit for the handshake",
    "tells-no-end": "closes without close_notify",
    "takes-truncation-for-an-end": "delivers a last line that was cut off on its way",
    "minds-no-utf8": "ends the connection at bytes that are no UTF-8",
    "minds-no-utf8-in-the-login": "ends the login at bytes that are no UTF-8",
    "takes-any-key": "publishes whatever comes with /pubkey",
    "knows-zero-and-one-alone": "publishes most of the keys with which every private key has the same result",
    "takes-weak-keys": "publishes a key with which every secret is the same",
    "has-keys-for-the-unknown": "makes a key up for who has published none",
    "keeps-the-first-key": "never takes a second /pubkey",
    "gives-its-own-key": "answers /key with one key for all",
    "whispers-to-all": "sends /dm to the whole room",
    "whispers-under-another-name": "writes the sender's name as it likes",
    "changes-what-is-sealed": "decodes and encodes what /dm carries",
    "looks-into-what-is-sealed": "refuses what is no base64 in /dm",
}
FAULT = base.chosen(FAULTS) if __name__ == "__main__" else None

PLAIN = "--plain" in base.options
CERTS = base.options.get("--certs", "certs")
HANDSHAKE_TIMEOUT = float(base.options.get("--handshake-timeout", 9))
SCHEMA = stage7.SCHEMA + "CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, key TEXT);"
PRIME = 2**255 - 19
# Points of X25519 (RFC 7748) with which every private key has the same result.
WEAK = {
    0,
    1,
    PRIME - 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
}
NOT_UTF8 = "[SERVER] error: line is not valid UTF-8"


# --- lines in the clear, inside TLS ---------------------------------------


def seal(text):
    return text.encode()


def unseal(line):
    return line.decode()


base.seal, base.unseal = seal, unseal
base.envelope = None
base.LATE = 0.1  # TLS carries it over in a thread of its own


# --- TLS ------------------------------------------------------------------


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=CERTS, check=True, capture_output=True)


def make_certificates():
    if os.path.exists(os.path.join(CERTS, "server.pem")):
        return
    os.makedirs(CERTS, exist_ok=True)
    names = "DNS:elsewhere.example" if FAULT == "has-a-certificate-for-another" else "DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.part", "-subj", "/CN=a lab")
    openssl("req", "-x509", *key, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=a server",
            "-CA", "ca.part", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}",
            "-addext", "basicConstraints=critical,CA:FALSE")
    # Whoever waits for this file finds it whole.
    os.rename(os.path.join(CERTS, "ca.part"), os.path.join(CERTS, "ca.pem"))


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(CERTS, "server.pem"), os.path.join(CERTS, "server.key"))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if FAULT == "speaks-tls-1-3-only":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    if FAULT == "speaks-tls-1-1":
        warnings.simplefilter("ignore")
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = ssl.TLSVersion.TLSv1
    return made


def greet(sock, address):
    """A thread for each connection: the handshake, and then the chat."""
    if PLAIN or FAULT == "speaks-plain-text" and sock.recv(1, socket.MSG_PEEK) != b"\x16":
        Client(sock, address).serve()
    else:
        chat(shake_hands(sock), address)


def shake_hands(sock):
    """TLS over this connection, or None where it came to nothing."""
    watched = sock.dup()  # wrapping takes the other one away
    watchdog = threading.Timer(HANDSHAKE_TIMEOUT, give_up, [watched])
    watchdog.daemon = True
    if FAULT != "waits-for-ever-for-a-handshake":
        watchdog.start()
    try:
        # What was cut off is not to be taken for an end.
        return CONTEXT.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
    except (OSError, ValueError):
        sock.close()
    finally:
        watchdog.cancel()
        watched.close()


def chat(tls, address):
    if tls:
        Client(bridged(tls, FAULT), address).serve()


def give_up(sock):
    """The time is over, however many bytes came meanwhile."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def accept(listener, _):
    while True:
        try:
            sock, address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            return
        if FAULT == "shakes-hands-one-by-one":
            tls = shake_hands(sock)
            threading.Thread(target=chat, args=[tls, address], daemon=True).start()
        else:
            threading.Thread(target=greet, args=[sock, address], daemon=True).start()


# --- the chat -------------------------------------------------------------

class Client(stage7.Client):
    def read_line(self):
        while True:
            try:
                return super().read_line()
            except UnicodeDecodeError:
                if FAULT == "minds-no-utf8":
                    raise
                if FAULT == "minds-no-utf8-in-the-login" and not self.name:
                    raise
                self.send(NOT_UTF8)

    def next_line(self):
        line = super().next_line()
        # At the end of the server half a line is none.
        return None if self.stopped else line

    def execute(self, line):
        command, _, rest = line.partition(" ")
        rest = rest.lstrip(" ") if command == "/dm" else rest.strip(" ")
        if command == "/pubkey":
            self.publish_key(rest)
        elif command == "/key":
            self.send(f"[KEY] {known(rest)} {key_of(known(rest))}")
        elif command == "/dm":
            to, _, sealed = rest.partition(" ")
            self.whisper_sealed(to, sealed)
        else:
            super().execute(line)

    def publish_key(self, text):
        if FAULT != "takes-any-key" and not is_key(text):
            raise Wrong("a key has 32 bytes, and is none of the few weak ones")
        how = "IGNORE" if FAULT == "keeps-the-first-key" else "REPLACE"
        base.store(f"INSERT OR {how} INTO keys VALUES (?, ?)", self.name.lower(), text)

    def whisper_sealed(self, to, sealed):
        if not sealed.strip():
            raise Wrong("/dm needs a user and a sealed text: /dm USER BASE64")
        if base.lowered(to) == self.name.lower():
            raise Wrong("you cannot send a private message to yourself")
        other = self.online(known(to))
        if FAULT == "looks-into-what-is-sealed":
            decoded(sealed)
        if FAULT == "changes-what-is-sealed":
            sealed = base64.b64encode(decoded(sealed).rstrip(b"\0")[:-1]).decode()
        stage7.keep(self.name, sealed, "")
        name = self.name.swapcase() if FAULT == "whispers-under-another-name" else self.name
        for member in stage7.of_room(self.room) if FAULT == "whispers-to-all" else [other]:
            if member is not self:
                member.send(f"[DM] {name} {sealed}")


def decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error, or what is not ASCII
        raise Wrong("that is no base64") from None


def is_key(text):
    key = decoded(text)
    if FAULT == "takes-weak-keys":
        return len(key) == 32
    if FAULT == "knows-zero-and-one-alone":
        return len(key) == 32 and int.from_bytes(key, "little") > 1
    # X25519 ignores the highest bit.
    return len(key) == 32 and int.from_bytes(key, "little") % 2**255 % PRIME not in WEAK


def key_of(name):
    if FAULT == "gives-its-own-key":
        return base64.b64encode(bytes(range(32))).decode()
    rows = base.store("SELECT key FROM keys WHERE name = ?", base.lowered(name))
    if not rows and FAULT == "has-keys-for-the-unknown":
        return base64.b64encode(os.urandom(32)).decode()
    if not rows:
        raise Wrong(f"{name} has published no key")
    return rows[0][0]


base.accept = accept

if __name__ == "__main__":
    if not PLAIN:
        make_certificates()
        CONTEXT = context()
    base.open_database(SCHEMA)
    base.main(Client, stage7.send_lists)
