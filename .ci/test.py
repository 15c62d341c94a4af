#!/usr/bin/env python3
"""Runs `make test` or `make test-course`; a test that fails is tried again, alone.

The tests start some thousand programs with deadlines in seconds. When the machine
stands still for a moment, one of them can fail without a fault in the code. Such a test
passes when it is alone, and is named at the end: it has too tight a deadline, or a race.
One that fails twice fails the run.
"""

import re
import subprocess
import sys

# More failures than this are no accident.
MOST = 5


def run(command):
    """Runs a command and shows its output; gives the exit code and the output."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    return process.wait(), "".join(lines)


def failed_tests(output, which):
    """The failed tests as (options of cargo that select their program, name)."""
    # A report may quote what another test program printed: only names that this program has count.
    quoted = set(re.findall(r"^test (?:\[[^]]*\] )?(\S+)(?: - .*)? +\.\.\. FAILED$", output, re.M))
    failed = []
    for options in re.findall(r"^ {4}`(-p .+)`$", output, re.M):
        program = options.split()
        listed = subprocess.run(["cargo", "test", *program, "--", *which, "--list"], capture_output=True, text=True)
        names = re.findall(r"^(?:\[[^]]*\] )?(\S+): test$", listed.stdout, re.M)
        of_program = sorted(quoted.intersection(names))
        if not of_program:
            return []
        failed += [(program, name) for name in of_program]
    return failed


def main():
    target = sys.argv[1]
    # What `make test` ignores is what `make test-course` runs.
    which = ["--ignored"] if target == "test-course" else []
    code, output = run(["make", target])
    if code == 0:
        return 0
    again = failed_tests(output, which)
    if not again or len(again) > MOST:
        return code
    for program, name in again:
        print(f"\nonce more, alone: {name}", flush=True)
        code, output = run(["cargo", "test", *program, "--", *which, "--exact", name])
        if code != 0 or not re.search(r"^test result: ok\. 1 passed", output, re.M):
            return code or 1
    for _, name in again:
        print(f"{name}: failed beside the others, passed alone. A deadline is too tight, or there is a race: mend it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
