"""Which Grafana, which folder, and how it is asked."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from seawall.dashboards.importing.problems import ImportProblem, plain

APIS = ("auto", "classic", "apps")
_NAMESPACE = re.compile(r"default|org-[0-9]+|stacks-[0-9]+")
_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Grafana and a folder in it.

    ``url`` is its root, with the sub-path if it is served below one. ``folder`` is a title at the top level,
    made if there is none; ``folder_uid`` names one that exists instead. ``namespace`` matters to the API of
    ``/apis`` alone: ``default``, ``org-2``, or ``stacks-123`` in Grafana Cloud. ``ca_file`` holds the
    certificates that are trusted instead of the usual ones. ``timeout``: seconds for each wait on the network
    (10: a loaded Grafana takes seconds to store a large dashboard).
    """

    url: str
    token: str = field(repr=False)
    folder: str = "Resilience"
    folder_uid: str = ""
    api: str = "auto"
    namespace: str = "default"
    ca_file: Path | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        """Raise `ImportProblem` that names everything that is wrong."""
        wrong = list(_wrong_address(self.url))
        if not self.token or not all("!" <= char <= "~" for char in self.token):
            wrong.append("the token is empty or has characters that no token has")
        if not self.folder.strip():
            wrong.append("the folder has no name")
        if self.folder_uid and not _UID.fullmatch(self.folder_uid):
            wrong.append(
                f"folder uid {plain(self.folder_uid)!r}; allowed: 1 to 40 of letters, digits, - and _"
            )
        if self.api not in APIS:
            wrong.append(f"api {plain(self.api)!r}; allowed: {', '.join(APIS)}")
        if not _NAMESPACE.fullmatch(self.namespace):
            wrong.append(f"namespace {plain(self.namespace)!r}; allowed: default, org-<id>, stacks-<id>")
        if not 0 < self.timeout <= 600:
            wrong.append(f"timeout is {self.timeout:g} s; allowed: more than 0, at most 600")
        if wrong:
            raise ImportProblem(*wrong)

    @property
    def root(self) -> str:
        return self.url.rstrip("/")

    def trust(self) -> ssl.SSLContext | bool:
        """What certificates are checked against; they always are."""
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except ssl.SSLError:
            raise ImportProblem(f"the CA file {self.ca_file} holds no certificate in PEM") from None
        except OSError as error:
            raise ImportProblem(f"can't read the CA file {self.ca_file}: {reason(error)}") from None


def read_token(path: Path) -> str:
    """The token in a file. `ImportProblem` names the file, never what is in it."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImportProblem(f"can't read the token file {path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise ImportProblem(f"can't read the token file {path}: it is no text") from None
    if not token:
        raise ImportProblem(f"the token file {path} is empty")
    if not all("!" <= char <= "~" for char in token):
        raise ImportProblem(f"the token file {path} holds more than a token: one line, no spaces")
    return token


def reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _wrong_address(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return [f"{plain(url)!r} is no address; allowed: https://host[:port][/sub-path]"]
    if parts.username is not None or parts.password is not None:
        return ["the address holds a user or a password; allowed: a token, in a file"]
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        return [f"{plain(url)!r} is no address of a Grafana; allowed: https://host[:port][/sub-path]"]
    return []
