"""Private messages of stage 8, sealed and opened by PyHPKE.

One request on each line of standard input, one answer on each line of standard
output. Keys are 32 bytes in base64, texts are UTF-8 in base64:

    seal PRIVATE PUBLIC FROM TO TEXT      the message
    open PRIVATE PUBLIC FROM TO MESSAGE   the text, or the word `refused`
"""

import sys
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, PyHPKEError

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)
INFO = b"chat e2e"


def answer(what, private, public, sender, recipient, content):
    private = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(b64decode(private)))
    public = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(b64decode(public)))
    content, aad = b64decode(content), f"{sender}>{recipient}".encode()
    if what == "seal":
        enc, context = SUITE.create_sender_context(public, info=INFO, sks=private)
        return enc + context.seal(content, aad=aad)
    context = SUITE.create_recipient_context(content[:32], private, info=INFO, pks=public)
    return context.open(content[32:], aad=aad)


for line in sys.stdin:
    try:
        # A text of no bytes is no word, either.
        print(b64encode(answer(*line.rstrip("\n").split(" "))).decode())
    except PyHPKEError:
        print("refused")
