#!/usr/bin/env python3
"""A server of stage 8 under attack: connections that say nothing, clients that register and
clients that guess, all at the same time and each kind from addresses of its own.

    cargo build --release -p stage8-tls
    python3 stage8-tls/tests/campaign.py                 # 5,000 silent, 300 registering, 200 guessing
    python3 stage8-tls/tests/campaign.py --silent 500 --registering 30 --guessing 20 --seconds 20

It needs a machine with nothing else to do, Linux, and files for all connections (it raises
its own limit; `ulimit -Hn` is how far). It starts a server of its own on loopback, and ends
by itself after some three minutes. It measures a right login, and how long a line takes from
alice to bob: on an idle machine, on a busy one without an attack, and under attack; and at the
end, whether the server has its threads and files back. It exits with 1 if one of the promises
is not kept.
"""

import argparse
import itertools
import multiprocessing
import os
import pathlib
import random
import resource
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PASSWORD = "correct horse"
# The promises: see docs/src/performance.md.
SLOWEST_LOGIN = 3.0
LATENCY_FACTOR = 2
SECONDS_TO_RECOVER = 60


class Client:
    """A TLS client that reads line by line."""

    def __init__(self, to, trust, source="127.0.0.1", timeout=60):
        raw = socket.create_connection(to, timeout, (source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = trust.wrap_socket(raw, server_hostname="localhost")
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")

    def send(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def read(self):
        return self.lines.readline().rstrip("\n")

    def answer(self, request):
        """Logs in or registers: the server's answer."""
        self.read()
        self.send(request)
        return self.read()

    def close(self):
        self.lines.close()
        self.socket.close()


def source(kind, number):
    """An address of this machine: one for all silent connections, else many."""
    return f"127.0.{kind}.{number % 250 + 1}"


def attack(done, what, *arguments):
    """An attacking process; it counts in `done` what it has done.

    In life it has a machine of its own. So it gives way to the server and the measuring clients.
    """
    os.nice(10)
    what(done, *arguments)


def busy_loop():
    """Keeps a processor busy, with as low a priority as an attacker or a password hash has."""
    os.nice(10)
    while True:
        pass


def silent(done, to, count):
    """Keeps `count` connections open that say nothing, and opens each again that is closed."""
    selector = selectors.DefaultSelector()
    missing = count
    while True:
        for _ in range(min(missing, 200)):
            connection = socket.socket()
            connection.bind((source(1, 0), 0))
            connection.setblocking(False)
            connection.connect_ex(to)
            selector.register(connection, selectors.EVENT_READ)
            missing -= 1
            done.value += 1
        for key, _ in selector.select(0.1):
            try:
                if key.fileobj.recv(4096):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()
            missing += 1


def again_and_again(done, to, trust, address, request):
    """Asks to be let in, and again when that has failed."""
    while True:
        try:
            client = Client(to, trust, address)
            client.answer(request())
            with done.get_lock():
                done.value += 1
            client.close()
        except OSError:
            time.sleep(0.1)


def crowd(done, to, ca, kind, count, request):
    trust = ssl.create_default_context(cafile=ca)
    for number in range(count):
        arguments = (done, to, trust, source(kind, number), request)
        threading.Thread(target=again_and_again, args=arguments, daemon=True).start()
    signal.pause()


def registration():
    return f"REGISTER m{random.getrandbits(80):x} {PASSWORD}"


def guess():
    return f"LOGIN carol guess-{random.getrandbits(40):x}"


def latencies(alice, bob, seconds, rate=50):
    """How long lines take from alice to bob, in milliseconds, sorted."""
    count = int(seconds * rate)
    sent, took = [0.0] * count, []

    def talk():
        start = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            sent[number] = time.perf_counter()
            alice.send(f"line {number}")

    talker = threading.Thread(target=talk)
    talker.start()
    while len(took) < count:
        line = bob.read()
        if line.startswith("alice: line "):
            took.append((time.perf_counter() - sent[int(line.split()[-1])]) * 1000)
        elif not line:
            sys.exit("bob was disconnected")
    talker.join()
    return sorted(took)


def logins(to, trust, seconds, found):
    """One right login after the other: how long each takes, or what came in its place.

    Every second one comes from an address from which carol has never logged in.
    """
    end = time.monotonic() + seconds
    for number in itertools.count():
        start = time.monotonic()
        if start > end:
            return
        new = source(4 + number // 250, number)
        try:
            carol = Client(to, trust, new if number % 2 else "127.0.0.1")
            answer = carol.answer(f"LOGIN carol {PASSWORD}")
            took = time.monotonic() - start
            found.append(took if answer.startswith("AUTH_SUCCESS") else answer)
            carol.close()
        except OSError as error:
            found.append(str(error))
        time.sleep(0.5)


def percentile(values, percent):
    return values[min(len(values) - 1, len(values) * percent // 100)]


def latency(took):
    return f"p50 {percentile(took, 50):.2f} ms, p99 {percentile(took, 99):.2f} ms"


def end(processes):
    """Ends these processes, and empties the list."""
    while processes:
        process = processes.pop()
        process.kill()
        process.join()


def used(server):
    """The server's threads and open files."""
    return tuple(len(os.listdir(f"/proc/{server.pid}/{what}")) for what in ("task", "fd"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--silent", type=int, default=5000)
    parser.add_argument("--registering", type=int, default=300)
    parser.add_argument("--guessing", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--server", default="target/release/stage8-server")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    with tempfile.TemporaryDirectory() as folder:
        command = [pathlib.Path(options.server).resolve(), "--listen", "127.0.0.1:0", "--no-log-file"]
        errors = open(f"{folder}/errors", "w")
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
        attackers = []
        try:
            server.stdout.readline()
            port = int(server.stdout.readline().rpartition(":")[2])
            kept = measure(options, server, ("127.0.0.1", port), f"{folder}/certs/ca.pem", attackers)
        finally:
            end(attackers)
            server.terminate()
            code = server.wait()
    print(f"the server exits with {code}")
    sys.exit(0 if kept and code == 0 else 1)


def measure(options, server, to, ca, attackers):
    trust = ssl.create_default_context(cafile=ca)
    alice, bob, carol = (Client(to, trust) for _ in range(3))
    for client, name in ((alice, "alice"), (bob, "bob"), (carol, "carol")):
        answer = client.answer(f"REGISTER {name} {PASSWORD}")
        assert answer.startswith("AUTH_SUCCESS"), answer
    carol.close()
    latencies(alice, bob, 2)
    idle = latencies(alice, bob, options.seconds / 2)
    before = used(server)
    print(f"idle: from alice to bob {latency(idle)}; {before[0]} threads, {before[1]} files")

    # What a busy processor costs whoever keeps it busy: the system lets a loop run on until its
    # next tick, some milliseconds, before the work of the disk or the network gets its turn.
    attackers += [multiprocessing.Process(target=busy_loop) for _ in range(os.cpu_count())]
    for process in attackers:
        process.start()
    busy = latencies(alice, bob, options.seconds / 2)
    end(attackers)
    print(f"all processors busy, no attack: from alice to bob {latency(busy)}")

    attacks = {
        "silent connections": (silent, to, options.silent),
        "registrations": (crowd, to, ca, 2, options.registering, registration),
        "guesses": (crowd, to, ca, 3, options.guessing, guess),
    }
    done = {what: multiprocessing.Value("q", 0) for what in attacks}
    for what, arguments in attacks.items():
        attackers.append(multiprocessing.Process(target=attack, args=(done[what], *arguments)))
        attackers[-1].start()
    time.sleep(5)
    found, most = [], used(server)
    done_before = {what: count.value for what, count in done.items()}
    login = threading.Thread(target=logins, args=(to, trust, options.seconds, found))
    login.start()
    attacked = latencies(alice, bob, options.seconds)
    login.join()
    most = max(most, used(server))
    took = sorted(t for t in found if isinstance(t, float))
    print(f"attacked: from alice to bob {latency(attacked)}; {most[0]} threads, {most[1]} files")
    ratio = percentile(attacked, 99) / percentile(busy, 99)
    print(f"p99 is {ratio:.1f} times that on a busy machine, "
          f"{percentile(attacked, 99) / percentile(idle, 99):.1f} times that on an idle one")
    rates = (f"{(count.value - done_before[what]) / options.seconds:.0f} {what}" for what, count in done.items())
    print(f"the attackers did in each second: {', '.join(rates)}")
    refused = [t for t in found if not isinstance(t, float)]
    print(f"{len(took)} right logins, median {percentile(took, 50) if took else 0:.2f} s, slowest {took[-1] if took else 0:.2f} s; "
          f"{len(refused)} refused {refused[:3]}")

    end(attackers)
    start = time.monotonic()
    while (now := used(server)) > before and time.monotonic() < start + SECONDS_TO_RECOVER:
        time.sleep(0.1)
    recovered = all(n <= b for n, b in zip(now, before))
    print(f"{time.monotonic() - start:.1f} s after the end: {now[0]} threads, {now[1]} files")

    promises = {
        f"each right login within {SLOWEST_LOGIN:.0f} s": bool(took) and not refused and took[-1] <= SLOWEST_LOGIN,
        f"p99 at most {LATENCY_FACTOR} times that of an idle server":
            percentile(attacked, 99) <= LATENCY_FACTOR * percentile(idle, 99),
        f"p99 at most {LATENCY_FACTOR} times that on a machine that is as busy, without an attack": ratio <= LATENCY_FACTOR,
        "no thread and no file is left over after a minute": recovered,
    }
    for promise, holds in promises.items():
        print(f"{'kept  ' if holds else 'BROKEN'}  {promise}")
    return all(promises.values())


if __name__ == "__main__":
    main()
