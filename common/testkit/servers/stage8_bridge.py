"""TLS for a chat that was written without it: what it reads and writes is one end of
a socket pair. (Python's TLS sockets must not be read and written by two threads at
once.)"""

import os
import select
import socket
import ssl
import threading
import time


def bridged(tls, fault=None, half_closes=False):
    """The chat's end. With `half_closes` the connection is read on when the chat has
    said its last."""
    ours, theirs = socket.socketpair()
    bridge = Bridge(tls, theirs, fault, half_closes)
    threading.Thread(target=bridge.run, daemon=True).start()
    return ChatEnd(ours, bridge)


class HalfClosable:
    """A client's TLS connection that says its last and reads on. (The `unwrap` of an `SSLSocket`
    reads in the same go, and what was on its way is an error to it. Here it finds nothing to
    read.)"""

    def __init__(self, context, sock, name):
        self.sock, self.incoming, self.outgoing = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.early, self.unsent = b"", b""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()
            finally:
                self.flush()

    def receive(self):
        data = self.sock.recv(65536)
        self.incoming.write(data) if data else self.incoming.write_eof()

    def flush(self):
        self.unsent += self.outgoing.read()
        try:
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent):]
        except BlockingIOError:
            pass

    def recv(self, size):
        if self.early:
            data, self.early = self.early, b""
            return data
        try:
            self.receive()
        except BlockingIOError:
            pass
        return self.tls.read(size)

    def send(self, data):
        self.flush()
        if self.unsent:
            return 0
        sent = self.tls.write(data) if data else 0
        self.flush()
        return sent

    def unwrap(self):
        try:
            while data := self.tls.read(65536):
                self.early += data
        except ssl.SSLWantReadError:
            pass
        try:
            self.tls.unwrap()
        finally:
            self.flush()

    def pending(self):
        return len(self.early) + self.tls.pending() + self.incoming.pending

    def setblocking(self, flag):
        self.sock.setblocking(flag)

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()


class Bridge:
    """TLS on one side, and on the other a socket pair. One thread carries both ways."""

    def __init__(self, tls, pair, fault, half_closes):
        self.tls, self.pair, self.fault, self.half_closes = tls, pair, fault, half_closes
        self.to_chat, self.to_net = b"", b""
        self.net_open, self.chat_open, self.cut = True, True, False

    def read_net(self):
        try:
            data = self.tls.recv(65536)
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLEOFError, ConnectionError):
            # The connection ended, and TLS did not: somebody may have cut it off.
            if self.fault == "takes-truncation-for-an-end":
                data = b""
            else:
                self.cut = True
                raise
        if data:
            self.to_chat += data
        else:
            self.net_open = False

    def read_chat(self):
        data = self.pair.recv(65536)
        self.to_net += data
        self.chat_open = bool(data)

    def write_net(self):
        try:
            self.to_net = self.to_net[self.tls.send(self.to_net[:16384]):]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass

    def write_chat(self):
        self.to_chat = self.to_chat[self.pair.send(self.to_chat):]

    def carry(self):
        told = False
        while self.chat_open or self.to_net or self.half_closes and self.net_open:
            readers = [self.tls] if self.net_open and not self.to_chat else []
            readers += [self.pair] if self.chat_open and not self.to_net else []
            writers = [self.tls] if self.to_net or getattr(self.tls, "unsent", None) else []
            writers += [self.pair] if self.to_chat else []
            waiting = self.tls in readers and self.tls.pending()
            ready, free, _ = select.select(readers, writers, [], 0 if waiting else None)
            if self.tls in ready or waiting:
                self.read_net()
            if self.pair in ready:
                self.read_chat()
                if not self.chat_open and self.half_closes:
                    self.tell_the_end()
            if self.tls in free:
                self.write_net()
            if self.pair in free:
                self.write_chat()
            if not self.net_open and not self.to_chat and not told:
                self.pair.shutdown(socket.SHUT_WR)
                told = True

    def tell_the_end(self):
        try:
            self.tls.unwrap()
        except OSError:  # it wants an answer, which comes later or never
            pass

    def end(self):
        """Says that it is over, and lets what is under way arrive."""
        if self.fault != "tells-no-end":
            self.tell_the_end()
        beneath = socket.socket(fileno=os.dup(self.tls.fileno()))
        beneath.shutdown(socket.SHUT_WR)
        beneath.setblocking(True)
        beneath.settimeout(0.3)
        deadline = time.monotonic() + 0.3
        while beneath.recv(65536) and time.monotonic() < deadline:
            pass
        beneath.close()

    def run(self):
        self.tls.setblocking(False)
        self.pair.setblocking(False)
        try:
            self.carry()
            self.end()
        except OSError:
            pass
        self.tls.close()
        self.pair.close()


class ChatEnd:
    """The chat's end of the socket pair, at which a cut is an error and not an end."""

    def __init__(self, sock, bridge):
        self.sock, self.bridge = sock, bridge

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def recv(self, *arguments):
        data = self.sock.recv(*arguments)
        if not data and self.bridge.cut:
            raise ConnectionError("cut off")
        return data
