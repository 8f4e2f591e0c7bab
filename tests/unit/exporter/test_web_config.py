"""A web-config file is taken as it is meant, or refused with everything that is wrong with it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import bcrypt
import pytest
import trustme

from seawall.exporter.web_config import WebConfig, load
from seawall.resilience import ConfigurationError

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
MUTUAL = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, and everything that can be taken for one by mistake."""
    made = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made / "ca.pem")
    for name in ("server", "other"):
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(made / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(made / f"{name}.pem")
    (made / "text.pem").write_text("hunter2")
    (made / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n")
    command = ["openssl", "pkey", "-in", "server.key", "-aes256", "-passout", "pass:hunter2"]
    subprocess.run([*command, "-out", "locked.key"], cwd=made, check=True)
    return made


def loaded(folder: Path, text: str) -> WebConfig:
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, without the name of the file in front."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    front = f"{folder / 'web.yml'}: "
    assert all(problem.startswith(front) for problem in caught.value.problems)
    assert "hunter2" not in str(caught.value)
    return [problem.removeprefix(front) for problem in caught.value.problems]


def test_tls_and_users(folder: Path) -> None:
    config = loaded(folder, f"{TLS}basic_auth_users:\n  prometheus: {HASH}\n")
    assert config.users == {"prometheus": HASH.encode()}
    assert config.files == (folder / "web.yml", folder / "server.pem", folder / "server.key")
    assert config.tls is not None
    assert config.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert config.tls.maximum_version is ssl.TLSVersion.TLSv1_3
    assert config.tls.verify_mode is ssl.CERT_NONE
    assert config.tls.options & ssl.OP_NO_RENEGOTIATION
    assert all(
        "ECDHE" in suite["name"] or suite["protocol"] == "TLSv1.3" for suite in config.tls.get_ciphers()
    )


def test_mutual_tls(folder: Path) -> None:
    config = loaded(folder, f"{MUTUAL}  client_allowed_sans: [scraper]\n")
    assert config.tls is not None
    assert config.tls.verify_mode is ssl.CERT_REQUIRED
    assert config.client_allowed_sans == {"scraper"}
    assert config.files[-1] == folder / "ca.pem"
    given = loaded(folder, MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")).tls
    assert given is not None
    assert given.verify_mode is ssl.CERT_OPTIONAL


def test_versions_and_suites(folder: Path) -> None:
    more = f"  min_version: TLS12\n  max_version: TLS12\n  cipher_suites: [{', '.join(SUITES)}]\n"
    config = loaded(folder, TLS + more + "  prefer_server_cipher_suites: false\n")
    assert config.tls is not None
    assert config.tls.maximum_version is ssl.TLSVersion.TLSv1_2
    assert not config.tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    before_13 = [s["name"] for s in config.tls.get_ciphers() if s["protocol"] != "TLSv1.3"]
    assert before_13 == ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    newest = loaded(folder, TLS + "  min_version: TLS13\n").tls
    assert newest is not None
    assert newest.minimum_version is ssl.TLSVersion.TLSv1_3


def test_headers(folder: Path) -> None:
    text = "{http2: true, headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=9}}"
    config = loaded(folder, f"http_server_config: {text}")
    assert config.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=9"}
    assert (config.tls, config.users) == (None, {})


def test_a_path_may_be_absolute(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "web.yml"
    elsewhere.write_text(TLS.replace("server.", f"{folder}/server."), encoding="utf-8")
    assert load(elsewhere).files[1] == folder / "server.pem"


NO_HASH = "is no bcrypt hash; allowed: $2a$, $2b$ or $2y$, cost, salt and hash"
NO_NAME = "is no user name; allowed: printable text without a colon, quoted"
SECTIONS = "tls_server_config, basic_auth_users, http_server_config"
TWICE = "is no YAML without keys that come twice"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", f"is empty; allowed: {SECTIONS}"),
        ("- hunter2", f"is no mapping; allowed: {SECTIONS}"),
        ("a: *hunter2", f"{TWICE} (line 1)"),
        ("a: [", f"{TWICE} (line 1)"),
        ("a: 1\na: 2", f"{TWICE} (line 2)"),
        ("? [a]\n: b", f"{TWICE} (line 1)"),
        ("a: !!python/object/apply:os.system [hunter2]", f"{TWICE} (line 1)"),
        ("\0", "is no YAML"),
        ("[" * 5000, "is no YAML"),
        ("a: " + "x" * 1024 * 1024, "is longer than 1048576 bytes"),
        ("tls_server_config:", "tls_server_config is empty"),
        ("tls_server_config: {}", "tls_server_config is empty"),
        ("basic_auth_users: {}", "basic_auth_users is empty"),
        ("basic_auth_users: hunter2", "basic_auth_users is no mapping"),
        (
            "basic_auth_user: {a: b}",
            f"'basic_auth_user' is unknown, did you mean basic_auth_users? allowed: {SECTIONS}",
        ),
        ("http_server_config: {http2: 1}", "http_server_config.http2 is neither true nor false"),
    ],
)
def test_what_is_wrong_with_the_file(folder: Path, text: str, said: str) -> None:
    assert problems(folder, text) == [said]


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("a: hunter2", f"a {NO_HASH}"),
        ("a: 12345", f"a {NO_HASH}"),
        ("a:", f"a {NO_HASH}"),
        (f"a: {HASH[:-1]}", f"a {NO_HASH}"),
        (f"a: {HASH}x", f"a {NO_HASH}"),
        (f"a: {HASH.replace('$2b$', '$2x$')}", f"a {NO_HASH}"),
        (f"a: {HASH.replace('$04$', '$03$')}", f"a {NO_HASH}"),
        (f"a: {HASH[:28]}/{HASH[29:]}", f"a {NO_HASH}"),
        (f"a: {HASH.replace('$04$', '$16$')}", "a has cost 16; allowed: 04 to 15"),
        (f"1: {HASH}", f"name 1 {NO_NAME}"),
        (f"'': {HASH}", f"name 1 {NO_NAME}"),
        (f"'a:b': {HASH}", f"name 1 {NO_NAME}"),
        (f'"a\\n": {HASH}', f"name 1 {NO_NAME}"),
    ],
)
def test_what_is_wrong_with_a_user(folder: Path, user: str, said: str) -> None:
    assert problems(folder, f"basic_auth_users:\n  {user}") == [f"basic_auth_users.{said}"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("X-Frame-Options: any", "X-Frame-Options is not allowed; allowed: deny, sameorigin"),
        ('X-XSS-Protection: "a\\r\\nb"', "X-XSS-Protection is no header; allowed: printable ASCII"),
        ("X-XSS-Protection: 1", "X-XSS-Protection is no text"),
        ("Set-Cookie: x", f"'Set-Cookie' is unknown; allowed: {', '.join(HEADERS)}"),
    ],
)
def test_what_is_wrong_with_a_header(folder: Path, header: str, said: str) -> None:
    text = f"http_server_config:\n  headers:\n    {header}"
    assert problems(folder, text) == [f"http_server_config.headers.{said}"]


CERTIFICATE = "a file with a certificate in PEM"
MISMATCH = "is not the key of the certificate in cert_file"
NO_MUTUAL = "is of no use without client_auth_type RequireAndVerifyClientCert"
CLIENTS = "NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "tls_server_config:\n  cert_file: server.pem",
            "key_file is missing; allowed: a file with a private key in PEM",
        ),
        ("tls_server_config:\n  key_file: server.key", f"cert_file is missing; allowed: {CERTIFICATE}"),
        (TLS.replace("server.pem", "no.pem"), "cert_file can't be read: no such file or directory"),
        (TLS.replace("server.pem", "."), "cert_file can't be read: is a directory"),
        (TLS.replace("server.pem", '"a\\0b"'), "cert_file can't be read: no path of a file"),
        (TLS.replace("server.pem", "1"), "cert_file is no text"),
        (TLS.replace("server.pem", ""), "cert_file is no text"),
        (TLS.replace("server.pem", "text.pem"), "cert_file holds no certificate in PEM"),
        (TLS.replace("server.pem", "broken.pem"), "cert_file can't be used with key_file: not understood"),
        (TLS.replace("server.key", "server.pem"), "key_file holds no private key in PEM"),
        (TLS.replace("server.key", "other.key"), f"key_file {MISMATCH}"),
        (
            TLS.replace("server.key", "locked.key"),
            "key_file is encrypted; allowed: a private key without a passphrase",
        ),
        (TLS + "  min_version: TLS11", "min_version is 'TLS11'; allowed: TLS12, TLS13"),
        (TLS + "  max_version: TLS10", "max_version is 'TLS10'; allowed: TLS12, TLS13"),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12",
            "min_version is above max_version; allowed: TLS12",
        ),
        (TLS + "  curve_preferences: [X25519]", "curve_preferences can't be chosen here; leave it out"),
        (TLS + "  cipher_suites: RC4", "cipher_suites is no list of texts"),
        (TLS + "  client_ca_file: ca.pem", f"client_ca_file {NO_MUTUAL}"),
        (TLS + "  client_allowed_sans: [a]", f"client_allowed_sans {NO_MUTUAL}"),
        (
            MUTUAL.replace("  client_ca_file: ca.pem\n", ""),
            f"client_ca_file is missing; allowed: {CERTIFICATE}",
        ),
        (
            MUTUAL.replace("AndVerify", "Any"),
            f"client_auth_type is 'RequireAnyClientCert'; allowed: {CLIENTS}",
        ),
        (MUTUAL.replace("ca.pem", "broken.pem"), "client_ca_file holds no certificate in PEM"),
    ],
)
def test_what_is_wrong_with_tls(folder: Path, text: str, said: str) -> None:
    assert problems(folder, text) == [f"tls_server_config.{said}"]


def test_a_weak_suite_is_named(folder: Path) -> None:
    (said,) = problems(folder, TLS + "  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]")
    assert said.startswith(
        "tls_server_config.cipher_suites has 'TLS_RSA_WITH_RC4_128_SHA'; allowed: TLS_ECDHE_"
    )


def test_everything_is_said_at_once(folder: Path) -> None:
    text = (
        "tls_server_config:\n  cert_file: no.pem\n  keyfile: server.key\n  min_version: SSL3\n"
        "basic_auth_users:\n  a: hunter2\n  b: ''\n"
        "http_server_config:\n  headers: {X-Frame-Options: any}\n"
        "listen: 80\n"
    )
    said = problems(folder, text)
    assert [problem.split()[0] for problem in said] == [
        "tls_server_config.cert_file",
        "tls_server_config.key_file",
        "tls_server_config.min_version",
        "tls_server_config.'keyfile'",
        "basic_auth_users.a",
        "basic_auth_users.b",
        "http_server_config.headers.X-Frame-Options",
        "'listen'",
    ]
    assert "did you mean key_file?" in said[3]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "no.yml")
    assert caught.value.problems == (f"{tmp_path / 'no.yml'}: can't be read: no such file or directory",)
    with pytest.raises(ConfigurationError, match=r"no path of a file$"):
        load(Path("a\0b"))
