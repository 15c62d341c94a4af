"""The sealed envelope of stage 6 in Python, for the server and the client that
the graded checks are tested with. AES is OpenSSL's, through ctypes."""

import base64
import ctypes
import ctypes.util
import hmac

crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for function in ("EVP_CIPHER_CTX_new", "EVP_aes_256_cbc"):
    getattr(crypto, function).restype = ctypes.c_void_p


def aes_cbc(key, iv, data, encrypt):
    """AES-256-CBC with PKCS#7; raises ValueError for a wrong padding."""
    context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    cipher = ctypes.c_void_p(crypto.EVP_aes_256_cbc())
    out, length = ctypes.create_string_buffer(len(data) + 32), ctypes.c_int()
    try:
        crypto.EVP_CipherInit_ex(context, cipher, None, key, iv, int(encrypt))
        crypto.EVP_CipherUpdate(context, out, ctypes.byref(length), data, len(data))
        done = length.value
        if crypto.EVP_CipherFinal_ex(context, ctypes.byref(out, done), ctypes.byref(length)) != 1:
            raise ValueError("padding")
        return out.raw[: done + length.value]
    finally:
        crypto.EVP_CIPHER_CTX_free(context)


def derived(key, info):
    """HKDF-SHA-256 without salt, for 32 bytes: one block."""
    return hmac.digest(hmac.digest(bytes(32), key, "sha256"), info + b"\x01", "sha256")


class Envelope:
    def __init__(self, path):
        with open(path) as file:
            key = bytes.fromhex(file.readline().strip().removeprefix("key="))
        self.encrypt = derived(key, b"chat encrypt")
        self.authenticate = derived(key, b"chat authenticate")

    def seal(self, text, iv, tag_the_text=False):
        message = iv + aes_cbc(self.encrypt, iv, text.encode(), True)
        tagged = text.encode() if tag_the_text else message
        return base64.b64encode(message + hmac.digest(self.authenticate, tagged, "sha256"))

    def open(self, line, check_the_tag=True):
        """The text of a line; raises ValueError for one that is not sealed well."""
        sealed = base64.b64decode(line, validate=True)
        message, tag = sealed[:-32], sealed[-32:]
        if len(message) < 32 or len(message) % 16:
            raise ValueError("length")
        if check_the_tag and not hmac.compare_digest(tag, hmac.digest(self.authenticate, message, "sha256")):
            raise ValueError("tag")
        return aes_cbc(self.encrypt, message[:16], message[16:], False).decode()
