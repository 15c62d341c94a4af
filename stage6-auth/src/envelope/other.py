"""The envelope once more, out of other people's parts: hmac and hashlib of
Python, AES of openssl. `other.py seal KEY TEXT` and `other.py open KEY LINE`,
with KEY in hexadecimal; for a test, since a key is not safe on a command line.
"""

import base64
import hashlib
import hmac
import os
import subprocess
import sys


def hkdf(key, info):
    pseudorandom = hmac.digest(bytes(32), key, hashlib.sha256)
    return hmac.digest(pseudorandom, info + b"\x01", hashlib.sha256)


def aes(direction, iv, data):
    command = ["openssl", "enc", direction, "-aes-256-cbc", "-K", encrypt.hex(), "-iv", iv.hex()]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


what, key, argument = sys.argv[1:]
encrypt = hkdf(bytes.fromhex(key), b"chat encrypt")
authenticate = hkdf(bytes.fromhex(key), b"chat authenticate")
if what == "seal":
    iv = os.urandom(16)
    message = iv + aes("-e", iv, argument.encode())
    tag = hmac.digest(authenticate, message, hashlib.sha256)
    print(base64.b64encode(message + tag).decode(), end="")
else:
    sealed = base64.b64decode(argument, validate=True)
    message, tag = sealed[:-32], sealed[-32:]
    if not hmac.compare_digest(tag, hmac.digest(authenticate, message, hashlib.sha256)):
        sys.exit("rejected")
    sys.stdout.buffer.write(aes("-d", message[:16], message[16:]))
