"""HPKE (RFC 9180) in mode auth with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
ChaCha20-Poly1305, in Python: the arithmetic is OpenSSL's libcrypto, through ctypes,
the rest is written from the RFC, with its names."""

import base64
import ctypes
import ctypes.util
import hmac
import os

crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for function in ("EVP_PKEY_new_raw_private_key", "EVP_PKEY_new_raw_public_key", "EVP_PKEY_CTX_new",
                 "EVP_CIPHER_CTX_new", "EVP_chacha20_poly1305"):
    getattr(crypto, function).restype = ctypes.c_void_p
X25519 = 1034
SET_IV_LENGTH, GET_TAG, SET_TAG = 9, 16, 17
KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"


def public_of(secret):
    key = ctypes.c_void_p(crypto.EVP_PKEY_new_raw_private_key(X25519, None, secret, 32))
    out, length = ctypes.create_string_buffer(32), ctypes.c_size_t(32)
    crypto.EVP_PKEY_get_raw_public_key(key, out, ctypes.byref(length))
    crypto.EVP_PKEY_free(key)
    return out.raw


def dh(secret, public):
    if len(public) != 32:
        raise ValueError("a key that is none")
    mine = ctypes.c_void_p(crypto.EVP_PKEY_new_raw_private_key(X25519, None, secret, 32))
    theirs = ctypes.c_void_p(crypto.EVP_PKEY_new_raw_public_key(X25519, None, public, 32))
    context = ctypes.c_void_p(crypto.EVP_PKEY_CTX_new(mine, None))
    out, length = ctypes.create_string_buffer(32), ctypes.c_size_t(32)
    crypto.EVP_PKEY_derive_init(context)
    crypto.EVP_PKEY_derive_set_peer(context, theirs)
    done = crypto.EVP_PKEY_derive(context, out, ctypes.byref(length))
    crypto.EVP_PKEY_CTX_free(context)
    crypto.EVP_PKEY_free(mine)
    crypto.EVP_PKEY_free(theirs)
    if done != 1:
        raise ValueError("a key that is none")
    return out.raw


def chacha(key, nonce, data, aad, encrypt):
    context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    out, length = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int()
    text, tag = (data, None) if encrypt else (data[:-16], data[-16:])
    try:
        cipher = ctypes.c_void_p(crypto.EVP_chacha20_poly1305())
        crypto.EVP_CipherInit_ex(context, cipher, None, None, None, int(encrypt))
        crypto.EVP_CIPHER_CTX_ctrl(context, SET_IV_LENGTH, 12, None)
        crypto.EVP_CipherInit_ex(context, None, None, key, nonce, int(encrypt))
        if tag is not None:
            crypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, 16, tag)
        crypto.EVP_CipherUpdate(context, None, ctypes.byref(length), aad, len(aad))
        crypto.EVP_CipherUpdate(context, out, ctypes.byref(length), text, len(text))
        done = length.value
        if crypto.EVP_CipherFinal_ex(context, ctypes.byref(out, done), ctypes.byref(length)) != 1:
            raise ValueError("tag")
        if not encrypt:
            return out.raw[:done]
        made = ctypes.create_string_buffer(16)
        crypto.EVP_CIPHER_CTX_ctrl(context, GET_TAG, 16, made)
        return out.raw[:done] + made.raw
    finally:
        crypto.EVP_CIPHER_CTX_free(context)


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(suite, prk, label, info, length):
    """One block is enough for all that is needed here."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")[:length]


def key_schedule(secrets, kem_context, info):
    prk = labeled_extract(KEM, b"", b"eae_prk", secrets)
    shared = labeled_expand(KEM, prk, b"shared_secret", kem_context, 32)
    context = b"\x02" + labeled_extract(SUITE, b"", b"psk_id_hash", b"") + labeled_extract(SUITE, b"", b"info_hash", info)
    secret = labeled_extract(SUITE, shared, b"secret", b"")
    return labeled_expand(SUITE, secret, b"key", context, 32), labeled_expand(SUITE, secret, b"base_nonce", context, 12)


def seal(secret, theirs, info, aad, text):
    """`enc || ct` in base64, from the owner of `secret` to the owner of `theirs`."""
    ephemeral = os.urandom(32)
    enc = public_of(ephemeral)
    key, nonce = key_schedule(dh(ephemeral, theirs) + dh(secret, theirs), enc + theirs + public_of(secret), info)
    return base64.b64encode(enc + chacha(key, nonce, text.encode(), aad, True)).decode()


def unseal(secret, theirs, info, aad, sealed, strict=True):
    """The text; raises ValueError for what is not sealed so."""
    data = base64.b64decode(sealed)
    # There is one spelling for each message, or it could be sent a second time.
    if strict and base64.b64encode(data).decode() != sealed:
        raise ValueError("base64")
    if len(data) < 48:
        raise ValueError("length")
    enc, ciphertext = data[:32], data[32:]
    mine = public_of(secret)
    key, nonce = key_schedule(dh(secret, enc) + dh(secret, theirs), enc + mine + theirs, info)
    return chacha(key, nonce, ciphertext, aad, False).decode()
