"""A client with zlib, which compresses both directions, against stage8-server --compress.

Arguments: the server's program. Its folder becomes the server's. Exit code 0: each line
that one client said has reached the other two, of which one does not compress.
"""

import re
import socket
import ssl
import subprocess
import sys
import zlib

LINES = 300
RAW_DEFLATE = -15


class Client:
    def __init__(self, port, name, compresses):
        context = ssl.create_default_context(cafile="certs/ca.pem")
        stream = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = context.wrap_socket(stream, server_hostname="localhost")
        self.compresses = compresses
        self.compressor = self.decompressor = None
        self.text = b""
        self.received = 0
        assert self.line() == "COMPRESS DEFLATE", "the offer comes before all else"
        if compresses:
            self.stream.sendall(b"COMPRESS DEFLATE\n")
            self.compressor = zlib.compressobj(wbits=RAW_DEFLATE)
        self.say(f"REGISTER {name} password1")
        self.line_with("[USERS_LIST]")

    def say(self, text):
        data = (text + "\n").encode()
        if self.compressor:
            data = self.compressor.compress(data) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        self.stream.sendall(data)

    def line(self):
        while b"\n" not in self.text:
            data = self.stream.recv(4096)
            assert data, f"the connection has ended after {self.text!r}"
            self.received += len(data)
            self.text += self.decompressor.decompress(data) if self.decompressor else data
        line, _, self.text = self.text.partition(b"\n")
        if self.compresses and line == b"COMPRESS DEFLATE" and self.compressor and not self.decompressor:
            self.decompressor = zlib.decompressobj(wbits=RAW_DEFLATE)
            self.text = self.decompressor.decompress(self.text)
        return line.decode()

    def line_with(self, part):
        while part not in (line := self.line()):
            pass
        return line


def try_it(server):
    listening = (re.match(r"Listening on .*:(\d+)", line) for line in server.stdout)
    port = int(next(filter(None, listening))[1])
    alice, bob, carol = Client(port, "alice", True), Client(port, "bob", True), Client(port, "carol", False)
    before = alice.received
    for number in range(LINES):
        bob.say(f"line {number}: how are you today, my dear friend?")
    for number in range(LINES):
        for client in (alice, carol):
            client.line_with(f"bob: line {number}: how are you today, my dear friend?")
    size = LINES * len("bob: line 100: how are you today, my dear friend?\n")
    assert alice.received - before < size / 3, f"{alice.received - before} bytes for {size}"


server = subprocess.Popen(
    [sys.argv[1], "--listen", "127.0.0.1:0", "--compress", "--bcrypt-cost", "4", "--no-log-file"],
    stdout=subprocess.PIPE,
    text=True,
)
try:
    try_it(server)
finally:
    server.terminate()
assert server.wait(20) == 0
