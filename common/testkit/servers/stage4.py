#!/usr/bin/env python3
"""A stage 4 server in another language, to test the graded checks with.

Written against the contract (docs/src/contract.md) alone, with Python's standard library alone.
`--fault NAME` makes it wrong in one way, each a mistake that people make;
`--list-faults` prints their names. With `--stage 2` or 3 it is that stage's echo server.
`--loose yes` makes use of what the contract leaves open: notices come later than lines, and
some senders' lines later than others'. `--trace yes` says on standard output where it listens,
and who is in the room and who is out. Example:

    python3 stage4.py --host 127.0.0.1 --port 9004 --fault no-prefix
"""

import heapq

import html
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import unicodedata
from collections import deque

# Name: the stages that it is for, the rule of the contract that it breaks (None: it takes a
# flood or a crowd to see it), and what it does.
FAULTS = {
    "ends-at-once": ("4", None, "ends before it listens"),
    "echoes-to-the-sender": ("4", "not-to-the-sender", "writes to everybody, the sender included"),
    "no-prefix": ("4", "prefix", "relays the bare text"),
    "wrong-address": ("4", "prefix", "puts its own address into the prefix"),
    "no-brackets": ("4", None, "puts an IPv6 address into the prefix without its own brackets"),
    "mapped-address": ("4", None, "shows an IPv4 client of an IPv6 server as ::ffff:127.0.0.1"),
    "no-arrivals": ("4", "arrival", "announces nobody who comes"),
    "no-departures": ("4", "departure", "announces nobody who goes"),
    "announces-to-the-arrival": ("4", "arrival", "tells the one who comes of its own arrival"),
    "counts-before": ("4", "count", "counts before the list has changed"),
    "announces-departures-twice": ("4", "departure", "has two places that announce the end"),
    "splits-by-read": ("234", "cuts", "takes one read for one line"),
    "drops-the-last-words": ("234", "last-line", "forgets a last line without its line end"),
    "closes-on-invalid-utf8": ("234", "not-utf8", "ends the connection at the first bad byte"),
    "mends-invalid-utf8": ("234", "not-utf8", "decodes with replacement characters, and relays that"),
    "decodes-reads": ("234", "cuts", "decodes each read by itself, not each line"),
    "no-limit": ("234", "too-long", "takes lines of any length"),
    "limit-only-at-line-ends": ("234", "too-long", "looks at the length of finished lines only"),
    "limit-off-by-one": ("234", "limit", "refuses 4096 bytes"),
    "limit-in-characters": ("234", "limit", "counts characters instead of bytes"),
    "silent-limit": ("234", "too-long", "closes at a line too long without a word"),
    "dies-of-a-long-line": ("234", "one-connection", "raises at a line too long, and nobody catches it"),
    "relays-empty-lines": ("4", "empty-line", "takes an empty line for a message"),
    "keeps-cr": ("234", "line-end", "leaves the CR of a CR LF in the text"),
    "strips-spaces": ("234", "byte-by-byte", "strips the text of its spaces"),
    "blocks-on-slow-clients": ("4", None, "writes to each client itself, and waits"),
    "drops-for-the-slow": ("4", None, "leaves lines out for a client whose queue is full, and goes on"),
    "dies-of-a-reset": ("234", "one-connection", "lets the exception of one connection end the server"),
    "keeps-the-dead": ("4", "departure", "never removes who was reset"),
    "reverses-reads": ("234", "order", "relays what came in one read last line first"),
    "loses-every-hundredth": ("234", "to-all-others", "loses a line now and then"),
    "relays-twice": ("234", "to-all-others", "relays each line twice"),
    "one-client-at-a-time": ("34", "one-connection", "accepts the next one when this one has gone"),
    "first-other-only": ("4", "to-all-others", "relays to one of the others"),
    "relays-quit": ("4", "end-words", "does not know /quit"),
    "relays-disconnect": ("234", "end-words", "does not know !DISCONNECT"),
    "resets-on-disconnect": ("234", "good-order", "breaks the connection off instead of closing it"),
    "never-closes": ("234", "good-order", "leaves a half-closed connection open"),
    "silent-end": ("234", "shutdown", "ends without a word at SIGTERM and SIGINT"),
    "ignores-ctrl-c": ("234", "shutdown", "handles SIGTERM, not SIGINT"),
    "quits-in-any-case": ("4", "end-words", "takes /QUIT for /quit"),
    "quits-by-prefix": ("4", "end-words", "takes every text that begins with /quit for it"),
    "trims-commands": ("4", "end-words", "takes '/quit ' for /quit"),
    "welcomes": ("234", "nothing-else", "greets those who come"),
    "replays-ten-lines": ("4", "not-from-before", "shows those who come what was said before"),
    "splits-at-cr": ("234", "line-end", "ends a line at a CR, too"),
    "splits-at-separators": ("234", "line-end", "ends a line wherever splitlines() does"),
    "takes-off-every-cr": ("234", "line-end", "strips all CRs from the end of a line"),
    "loses-the-bom": ("234", "byte-by-byte", "decodes as utf-8-sig"),
    "cuts-at-nul": ("234", "byte-by-byte", "takes a NUL for the end of the text"),
    "escapes-html": ("234", "byte-by-byte", "escapes < and & for the browser that will come one day"),
    "drops-control-characters": ("234", "byte-by-byte", "removes what cannot be printed"),
    "normalises": ("234", "byte-by-byte", "brings the text into Unicode's form NFC"),
    "trims-blanks-behind": ("234", "byte-by-byte", "strips the blanks behind a text"),
    "lowers-nothing-but-words": ("234", "end-words", "takes !disconnect for !DISCONNECT"),
    "relays-behind-quit": ("4", "after-the-end", "relays what came in the same packet behind /quit"),
    "counts-outside-the-lock": ("4", None, "counts, does something else, and only then takes the lock"),
    "plain-close": ("234", "good-order", "closes with unread input, which is a reset"),
    "idle-time-out": ("234", "one-connection", "puts out who says nothing for five seconds"),
    "tells-everybody-of-long-lines": ("4", "error-to-the-sender", "sends the error to the whole room"),
    "tells-everybody-of-bad-lines": ("4", "error-to-the-sender", "sends the error to the whole room"),
    "drops-the-packet": ("234", "not-utf8", "forgets the good lines that came with a bad one"),
    "ignores-blank-texts": ("234", "empty-line", "takes a text of blanks for an empty line"),
    "notifies-some-of-the-shutdown": ("4", "shutdown", "forgets the one who came last when it ends"),
    "drains-one-read": ("234", None, "closes with much unread input, which is a reset"),
    "waits-again-and-again": ("4", None, "waits at every line for a client that does not read"),
    "takes-a-part-for-the-whole": ("4", None, "forgets what the socket did not take of a write"),
    "tells-nobody-of-the-slow": ("4", None, "announces no departure of a client that does not read"),
    "forgets-what-came": ("234", None, "forgets at SIGTERM the lines that it has not come to yet"),
    "forgets-half-lines": ("4", None, "forgets at SIGTERM what has no line end yet"),
    "departures-at-the-end": ("4", "shutdown", "announces everybody's departure after the notice of the shutdown"),
    "confirms": ("4", "nothing-else", "answers OK to each line"),
    "hasty-end": ("234", "shutdown", "breaks all connections off when it ends, delivered or not"),
    "ignores-empty-lines": ("23", "empty-line", "leaves an empty line without an answer"),
    "knows-quit": ("23", "end-words", "takes /quit for the word that ends the connection"),
    "answers-late": ("23", "nothing-else", "answers with the line before"),
}

LONGEST = 4096
PIECE = 1 << 16
LAG = 0.1  # by which a loose server is late, in seconds
QUEUE = 1 << 20
TOO_LONG = "[SERVER] error: line longer than 4096 bytes"
NOT_UTF8 = "[SERVER] error: line is not valid UTF-8"

fault = None
stage = 4
loose = False
trace = False
room = threading.RLock()  # guards members, and the order in which lines are queued
members = []
closing = set()  # those who have left, and still read
said = deque(maxlen=10)
stopping = threading.Event()
woken, waker = socket.socketpair()  # the first can be read when the server ends


class Client:
    """One connection: a thread reads it, another writes what is queued for it."""

    def __init__(self, sock, address):
        self.sock = sock
        ip, port = address[:2]
        if fault != "mapped-address":
            ip = ip.removeprefix("::ffff:")
        self.address = f"[{ip}]:{port}" if ":" in ip and fault != "no-brackets" else f"{ip}:{port}"
        self.queue = []  # a heap of (when it is due, number, data)
        self.number = 0
        self.queued = 0
        self.ready = threading.Condition()
        self.ending = False
        self.put_out = False
        self.reset = False
        self.quit = False
        self.lines = 0
        self.last = ""
        self.slow = False  # it had a chance to catch up, and did not
        self.caught_up = threading.Event()
        self.heard_all = threading.Event()
        self.writer = threading.Thread(target=self.write, daemon=True)
        self.writer.start()

    def send(self, line, lag=0):
        """Queues a line; puts the client out when it has fallen too far behind."""
        data = line.encode("utf-8", "surrogateescape") + b"\n"
        if fault == "blocks-on-slow-clients":
            try:
                self.sock.sendall(data)
            except OSError:
                pass
            return
        with self.ready:
            if self.ending:
                return
            if self.queued + len(data) > QUEUE:
                if fault == "drops-for-the-slow":
                    return
                self.ending = self.put_out = True
                self.queue.clear()
                self.hang_up()
            else:
                self.number += 1
                due = time.monotonic() + lag if loose else 0
                heapq.heappush(self.queue, (due, self.number, data))
                self.queued += len(data)
            self.ready.notify()

    def due(self):
        """Takes what is due from the queue; everything when the connection ends."""
        now = float("inf") if self.ending else time.monotonic()
        data = []
        while self.queue and self.queue[0][0] <= now:
            data.append(heapq.heappop(self.queue)[2])
        return b"".join(data)

    def write(self):
        """The writing thread: ends when the client does, and closes the socket."""
        while True:
            with self.ready:
                data = self.due()
                while not data and not self.ending:
                    wait = max(0, self.queue[0][0] - time.monotonic()) if self.queue else None
                    self.ready.wait(wait)
                    data = self.due()
                if not data:
                    break
            try:
                # In pieces, so that a client that reads is seen to catch up.
                for at in range(0, len(data), PIECE):
                    piece = data[at : at + PIECE]
                    if fault == "takes-a-part-for-the-whole":
                        self.takes_a_part(piece)
                    else:
                        self.sock.sendall(piece)
                    self.sent(len(piece))
            except OSError as error:
                # The kernel tells of a reset once: to the reader or to the writer.
                if fault == "dies-of-a-reset" and isinstance(error, ConnectionResetError):
                    os._exit(1)
                break
        self.caught_up.set()
        self.close()
        closing.discard(self)

    def takes_a_part(self, piece):
        try:
            self.sock.send(piece, socket.MSG_DONTWAIT)
        except BlockingIOError:
            free = select.poll()
            free.register(self.sock, select.POLLOUT)
            free.poll()
            self.sock.send(piece, socket.MSG_DONTWAIT)

    def sent(self, count):
        with self.ready:
            self.queued -= count
            if self.queued == 0:
                self.slow = False
            if self.queued < QUEUE // 4:
                self.caught_up.set()

    def falls_behind(self):
        with self.ready:
            behind = self.queued > QUEUE // 2 and not self.slow and not self.ending
            if behind:
                self.caught_up.clear()
            return behind

    def finish(self):
        """No more lines: what is queued gets written, then the socket closed."""
        with self.ready:
            self.ending = True
            self.ready.notify()
        # One that does not read has this long.
        late = threading.Timer(10, self.hang_up)
        late.daemon = True
        late.start()

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        if fault == "plain-close":
            self.sock.close()
            return
        if fault == "resets-on-disconnect" and self.reset:
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.sock.close()
            return
        try:
            if fault == "drains-one-read":
                self.sock.settimeout(0.3)
                self.sock.recv(65536)
                self.sock.close()
                return
            # What the client still sends must not turn the close into a reset,
            # which could destroy what was written last.
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(1)
            deadline, most = time.monotonic() + 1, 1 << 20
            while most > 0 and time.monotonic() < deadline and (data := self.sock.recv(65536)):
                most -= len(data)
        except OSError:
            pass
        self.sock.close()

    def received(self):
        """What has come; nothing at the end of the stream, and when the server ends."""
        # Not select(), which knows no descriptor above 1023.
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        waiting.register(woken, select.POLLIN)
        limit = self.sock.gettimeout()
        ready = [descriptor for descriptor, _ in waiting.poll(limit and limit * 1000)]
        if not ready:
            raise TimeoutError
        return self.sock.recv(65536) if self.sock.fileno() in ready else b""

    def lines_of(self):
        """Yields the lines as bytes; raises ValueError for one too long."""
        buffer = b""
        while not self.quit:
            data = self.received()
            if not data:
                break
            if fault == "splits-by-read":
                yield data.rstrip(b"\r\n")
                continue
            if fault == "decodes-reads":
                data = data.decode("utf-8", "replace").encode()
            if fault == "splits-at-cr":
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            *lines, buffer = (buffer + data).split(b"\n")
            if fault == "drops-the-packet" and any(not valid(line) for line in lines):
                lines = [line for line in lines if not valid(line)][:1]
            if fault == "reverses-reads":
                lines.reverse()
            for line in lines:
                if fault == "forgets-what-came":
                    # So that some are left when the signal comes.
                    time.sleep(0.0005)
                    if stopping.is_set():
                        return
                yield checked(trimmed(line))
            if fault != "limit-only-at-line-ends":
                # A CR may be the first half of the line end.
                checked(trimmed(buffer))
        # It drops text only: that bytes which are no text get an error is another rule.
        drops = fault == "drops-the-last-words" or fault == "forgets-half-lines" and stopping.is_set()
        if buffer and not (drops and valid(buffer)):
            yield checked(trimmed(buffer))

    def serve(self):
        """The reading thread: the connection from its first line to its last."""
        if fault == "welcomes":
            self.send("Welcome!")
        if fault == "idle-time-out":
            self.sock.settimeout(5)
        arrive(self)
        try:
            for line in self.lines_of():
                if not self.heard(line):
                    break
            else:
                if fault == "never-closes":
                    depart(self)
                    threading.Event().wait()
        except ValueError:
            if fault == "dies-of-a-long-line":
                os._exit(1)
            if fault == "tells-everybody-of-long-lines":
                for member in list(members):
                    member.send(TOO_LONG)
            elif fault != "silent-limit":
                self.send(TOO_LONG)
        except ConnectionError:
            if fault == "dies-of-a-reset":
                os._exit(1)
            if fault == "keeps-the-dead":
                return
        except OSError:
            pass
        self.heard_all.set()
        if stopping.is_set():
            return
        closing.add(self)
        depart(self)
        self.finish()
        if fault == "blocks-on-slow-clients":
            self.writer.join()

    def heard(self, line):
        """One line of this client; false when it was the last."""
        if not line and (stage > 3 or fault == "ignores-empty-lines") and fault != "relays-empty-lines":
            return True
        try:
            text = line.decode("utf-8", "replace" if fault == "mends-invalid-utf8" else "strict")
        except UnicodeDecodeError:
            if fault == "closes-on-invalid-utf8":
                return False
            if fault == "tells-everybody-of-bad-lines":
                for member in list(members):
                    member.send(NOT_UTF8)
            else:
                self.send(NOT_UTF8)
            return True
        text = spoiled(text)
        if fault == "ignores-blank-texts" and not text.strip():
            return True
        if fault == "splits-at-separators":
            for part in text.splitlines():
                relay(self, part)
            return text not in ("/quit", "!DISCONNECT")
        word = text
        if fault == "quits-in-any-case":
            word = word.lower()
        if fault == "trims-commands":
            word = word.strip()
        knows_quit = stage > 3 and fault != "relays-quit" or fault == "knows-quit"
        if word == "/quit" and knows_quit:
            self.quit = True
            return fault == "relays-behind-quit"
        if fault == "quits-by-prefix" and text.startswith("/quit"):
            return False
        if fault == "lowers-nothing-but-words" and text.lower() == "!disconnect":
            return False
        if text == "!DISCONNECT" and fault != "relays-disconnect":
            self.reset = True
            return False
        self.lines += 1
        if fault == "loses-every-hundredth" and self.lines % 100 == 0:
            return True
        relay(self, text)
        if fault == "confirms":
            self.send("OK")
        return True


def valid(line):
    try:
        line.decode()
        return True
    except UnicodeDecodeError:
        return False


def spoiled(text):
    """The text, as servers deliver it that mean well."""
    if fault == "strips-spaces":
        return text.strip()
    if fault == "trims-blanks-behind":
        return text.rstrip(" \t")
    if fault == "cuts-at-nul":
        return text.split("\0")[0]
    if fault == "escapes-html":
        return html.escape(text)
    if fault == "drops-control-characters":
        return "".join(c for c in text if unicodedata.category(c) != "Cc")
    if fault == "normalises":
        return unicodedata.normalize("NFC", text)
    return text


def trimmed(line):
    """The line without the CR of a CR LF."""
    if fault == "takes-off-every-cr":
        return line.rstrip(b"\r")
    if line.endswith(b"\r") and fault != "keeps-cr":
        return line[:-1]
    return line


def checked(line):
    """The line, unless it is too long."""
    if fault == "no-limit":
        return line
    length = len(line)
    if fault == "limit-in-characters":
        length = len(line.decode("utf-8", "replace"))
    if length > (LONGEST - 1 if fault == "limit-off-by-one" else LONGEST):
        raise ValueError
    return line


def relay(sender, text):
    # Here, and not before: a mark and a command are no command. That is another rule.
    if fault == "loses-the-bom" and not text.lower().startswith(("\ufeff/quit", "\ufeff!disconnect")):
        text = text.removeprefix("\ufeff")
    if stage <= 3:
        answer, sender.last = sender.last if fault == "answers-late" else text, text
        sender.send(answer)
        if fault == "relays-twice":
            sender.send(answer)
        return
    address = sender.address
    if fault == "wrong-address":
        address = "%s:%d" % sender.sock.getsockname()[:2]
    line = text if fault == "no-prefix" else f"[{address}] {text}"
    said.append(line)
    if fault != "blocks-on-slow-clients":
        wait_for_the_slow()
    lag = LAG / 2 if int(sender.address.rsplit(":", 1)[1]) % 2 else 0
    with room:
        others = [m for m in members if m is not sender or fault == "echoes-to-the-sender"]
        if fault == "first-other-only":
            others = others[:1]
        for member in others:
            member.send(line, lag)
            if fault == "relays-twice":
                member.send(line, lag)


def wait_for_the_slow():
    """Holds a sender back while a client that reads is behind, for a tenth of a second at most."""
    with room:
        behind = [member for member in members if member.falls_behind()]
    deadline = time.monotonic() + 0.1
    for member in behind:
        if not member.caught_up.wait(max(0, deadline - time.monotonic())):
            member.slow = fault != "waits-again-and-again"


def arrive(client):
    if fault == "replays-ten-lines":
        for line in list(said)[-10:]:
            client.send(line)
    if fault == "counts-outside-the-lock":
        count = len(members) + 1
        time.sleep(0.001)
        with room:
            members.append(client)
            for member in members:
                if member is not client:
                    member.send(f"[SERVER] {client.address} joined ({count} online)")
        return
    with room:
        count = len(members) + (0 if fault == "counts-before" else 1)
        if fault == "announces-to-the-arrival":
            members.append(client)
        if fault != "no-arrivals" and stage > 3:
            for member in members:
                member.send(f"[SERVER] {client.address} joined ({count} online)", LAG)
        if client not in members:
            members.append(client)
    note("in", client)


def depart(client):
    with room:
        if client not in members:
            return
        count = len(members) - (0 if fault == "counts-before" else 1)
        members.remove(client)
        if fault == "tells-nobody-of-the-slow" and client.put_out:
            return
        for member in members if fault != "no-departures" and stage > 3 else []:
            for _ in range(2 if fault == "announces-departures-twice" else 1):
                member.send(f"[SERVER] {client.address} left ({count} online)", LAG)
    note("out", client)


def note(what, client):
    if trace:
        sys.stdout.write(f"{what} {client.address}\n")
        sys.stdout.flush()


def stop(listener):
    """An orderly end: no more arrivals, a word to all, everything delivered."""
    stopping.set()
    # A thread that waits in accept() would still get the next one from a listener that is only closed.
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    if fault == "silent-end":
        os._exit(0)
    # What has come by now is heard, a last line without its end too.
    waker.close()
    deadline = time.monotonic() + 1
    for client in list(members):
        client.heard_all.wait(max(0, deadline - time.monotonic()))
    with room:
        everyone = list(members)
        if fault != "departures-at-the-end":
            members.clear()
        if fault == "notifies-some-of-the-shutdown":
            everyone.pop()
        for client in everyone:
            client.send("[SERVER] server is shutting down", float("inf"))
            if fault == "hasty-end":
                linger = struct.pack("ii", 1, 0)
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif fault != "departures-at-the-end":
                client.finish()
        if fault == "departures-at-the-end":
            for client in everyone:
                depart(client)
                client.finish()
    if fault == "hasty-end":
        time.sleep(0.05)
        os._exit(0)
    deadline = time.monotonic() + 4
    for client in everyone + list(closing):
        client.writer.join(max(0, deadline - time.monotonic()))
    os._exit(0)


def accept(listener):
    while not stopping.is_set():
        try:
            sock, address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            continue
        client = Client(sock, address)
        if stage == 2 or fault == "one-client-at-a-time":
            client.serve()
        else:
            threading.Thread(target=client.serve, daemon=True).start()


def main(arguments):
    global fault, stage, loose, trace
    listing = arguments[:1] == ["--list-faults"]
    options = dict(zip(arguments[listing::2], arguments[1 + listing :: 2]))
    known = {"--host", "--port", "--fault", "--stage", "--loose", "--trace", "--rules"}
    complete = listing or {"--host", "--port"} <= options.keys()
    if (len(arguments) - listing) % 2 or not complete or not options.keys() <= known:
        sys.stderr.write("usage: stage4.py --host HOST --port PORT [--fault NAME] [--stage N] [--loose yes] [--trace yes]\n")
        sys.stderr.write("       stage4.py --list-faults [--stage N] [--rules yes]\n")
        return 2
    stage = int(options.get("--stage", "4"))
    if listing:
        listed = [(name, row[1:]) for name, row in FAULTS.items() if str(stage) in row[0]]
        for name, (rule, text) in listed:
            print(f"{name}\t{rule}\t{text}" if "--rules" in options else name)
        return 0
    fault = options.get("--fault")
    loose, trace = "--loose" in options, "--trace" in options
    if fault is not None and fault not in FAULTS:
        sys.stderr.write(f"error: there is no fault {fault!r}\n")
        return 2
    if fault == "ends-at-once":
        sys.exit("error: no such module")
    family = socket.AF_INET6 if ":" in options["--host"] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options["--host"], int(options["--port"])))
    listener.listen(128)
    if trace:
        print(f"Listening on {options['--host']}:{listener.getsockname()[1]}", flush=True)
    wanted = {signal.SIGTERM} if fault == "ignores-ctrl-c" else {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=accept, args=[listener], daemon=True).start()
    signal.sigwait(wanted)
    stop(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
