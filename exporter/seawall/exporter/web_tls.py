"""The TLS of a web-config file: never below 1.2, with forward secrecy."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.exporter.web_problems import Section, why

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
#: What Go names so, and what OpenSSL calls it.
_SUITES: Final = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for go, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    )
}
#: Those of TLS 1.3 can be named, and are on in any case.
_ALWAYS_ON: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
#: Go's other two take a certificate that nobody has verified.
_CLIENTS: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_MUTUAL: Final = "RequireAndVerifyClientCert"


@dataclass(frozen=True, slots=True)
class Tls:
    context: ssl.SSLContext
    files: tuple[Path, ...]
    client_allowed_sans: frozenset[str]


def build(section: Section, folder: Path) -> Tls:
    """Relative paths are relative to ``folder``. Problems are in the section's list."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    certificate = _pem(section, "cert_file", folder, "CERTIFICATE-----", "certificate")
    key = _pem(section, "key_file", folder, "PRIVATE KEY-----", "private key")
    if certificate is not None and key is not None:
        _use(section, context, certificate, key)
    clients = section.one_of("client_auth_type", tuple(_CLIENTS), default="NoClientCert")
    authority = _clients(section, context, clients, folder)
    sans = section.texts("client_allowed_sans")
    if sans and clients not in (_MUTUAL, None):
        section.fail("client_allowed_sans", f"is of no use without client_auth_type {_MUTUAL}")
    _versions(section, context)
    _suites(section, context)
    if section.flag("prefer_server_cipher_suites", default=True):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if section.get("curve_preferences") is not None:
        section.fail("curve_preferences", "can't be chosen here; leave it out")
    section.done()
    return Tls(context, tuple(f for f in (certificate, key, authority) if f is not None), frozenset(sans))


def _pem(
    section: Section, key: str, folder: Path, mark: str, what: str, *, missing: bool = True
) -> Path | None:
    name = section.text(key)
    if name is None:
        if missing and not section.has(key):
            section.fail(key, f"is missing; allowed: a file with a {what} in PEM")
        return None
    path = folder / name
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        section.fail(key, f"can't be read: {why(error)}")
        return None
    if mark.encode() not in text:
        section.fail(key, f"holds no {what} in PEM")
        return None
    return path


def _use(section: Section, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    asked = False

    def password() -> str:
        # Without this OpenSSL would ask for it at the terminal.
        nonlocal asked
        asked = True
        return ""

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if asked:
            section.fail("key_file", "is encrypted; allowed: a private key without a passphrase")
        elif error.reason == "KEY_VALUES_MISMATCH":
            section.fail("key_file", "is not the key of the certificate in cert_file")
        else:
            section.fail("cert_file", f"can't be used with key_file: {error.reason or 'not understood'}")
    except OSError as error:
        section.fail("cert_file", f"can't be read: {why(error)}")


def _clients(section: Section, context: ssl.SSLContext, clients: str | None, folder: Path) -> Path | None:
    asks = clients not in ("NoClientCert", None)
    authority = _pem(section, "client_ca_file", folder, "CERTIFICATE-----", "certificate", missing=asks)
    if authority is None or clients is None:
        return None
    if not asks:
        section.fail("client_ca_file", f"is of no use without client_auth_type {_MUTUAL}")
        return None
    try:
        context.load_verify_locations(cafile=authority)
    except (ssl.SSLError, OSError):
        section.fail("client_ca_file", "holds no certificate in PEM")
        return None
    context.verify_mode = _CLIENTS[clients]
    return authority


def _versions(section: Section, context: ssl.SSLContext) -> None:
    least = section.one_of("min_version", tuple(_VERSIONS), default="TLS12")
    most = section.one_of("max_version", tuple(_VERSIONS), default="TLS13")
    if least is None or most is None:
        return
    if least > most:
        section.fail("min_version", f"is above max_version; allowed: {most}")
        return
    context.minimum_version, context.maximum_version = _VERSIONS[least], _VERSIONS[most]


def _suites(section: Section, context: ssl.SSLContext) -> None:
    named = section.texts("cipher_suites")
    if unknown := [suite[:80] for suite in named if suite not in (*_SUITES, *_ALWAYS_ON)]:
        allowed = ", ".join((*_SUITES, *_ALWAYS_ON))
        section.fail("cipher_suites", f"has {', '.join(map(repr, unknown))}; allowed: {allowed}")
    chosen = [_SUITES[suite] for suite in named if suite in _SUITES]
    context.set_ciphers(":".join(chosen or _SUITES.values()))
