"""Requests to one Grafana: answers are JSON, whatever else happens is an `ImportProblem` of one line."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from seawall.dashboards.importing.problems import ImportProblem, plain
from seawall.dashboards.importing.target import Target

#: Grafana says these when it did nothing, and may do it later.
BUSY = (429, 503)
#: Requests at most, and seconds at most before the next, for one answer.
TRIES = 4
LONGEST_WAIT = 30.0
#: Bytes of an answer at most.
LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A status that the caller expected, and the JSON with it (None where there was none)."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        said = self.body.get("message") if isinstance(self.body, dict) else None
        return plain(said) if isinstance(said, str) else ""

    def found(self, *path: str) -> Any:
        """What is at a path of keys; None where there is nothing."""
        value = self.body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


class Connection:
    """Asks with the token, follows no redirect, and waits for no longer than it says."""

    def __init__(self, target: Target, wait: Callable[[float], None] = time.sleep) -> None:
        self.target = target
        self._wait = wait
        headers = {"Authorization": f"Bearer {target.token}", "Accept": "application/json"}
        try:
            self._http = httpx.Client(
                verify=target.trust(), timeout=target.timeout, follow_redirects=False, headers=headers
            )
        except (ImportError, ValueError) as error:
            raise ImportProblem(f"can't use the proxy of the environment: {plain(error)}") from None

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        needs: str,
        expect: tuple[int, ...] = (),
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """An answer of status 200, 201, or one that the caller makes sense of. ``needs``: the permission."""
        reply = self._send(method, path, body, params)
        status, where = reply.status_code, f"{method} {self.target.root}{path}"
        answer = Answer(status, _json(reply))
        if status in (200, 201):
            if not isinstance(answer.body, dict | list):
                raise ImportProblem(
                    f"{where} was answered with no JSON; is {self.target.root} Grafana's root?"
                )
            return answer
        if status in expect:
            return answer
        raise ImportProblem(self._refused(answer, reply, where, needs))

    def probe(self, path: str) -> Any:
        """The JSON at a path that may not exist; None where there is none."""
        reply = self._send("GET", path, None, None)
        if reply.status_code == 401:
            raise ImportProblem(self._refused(Answer(401, _json(reply)), reply, f"GET {path}", ""))
        return _json(reply) if reply.status_code == 200 else None

    def _refused(self, answer: Answer, reply: httpx.Response, where: str, needs: str) -> str:
        root = self.target.root
        said = f": {self._clean(answer.message)}" if answer.message else ""
        match answer.status:
            case 401:
                return (
                    f"Grafana at {root} does not accept the token (HTTP 401): expired, or of another Grafana"
                )
            case 403:
                return f"the token may not do this (HTTP 403): it needs {needs}"
            case 404:
                return (
                    f"nothing at {where} (HTTP 404); is {root} Grafana's root? Below a sub-path it is part of"
                    " the address: https://host/grafana"
                )
            case status if 300 <= status < 400:
                to = self._clean(plain(reply.headers.get("location", "elsewhere")))
                return f"{where} redirects to {to}; give the address that Grafana itself answers at"
            case status if status in BUSY:
                return f"Grafana at {root} is busy (HTTP {status}, {TRIES} tries){said}"
            case status:
                return f"{where} was refused (HTTP {status}){said}"

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str] | None
    ) -> httpx.Response:
        for number in range(1, TRIES + 1):
            try:
                reply = self._once(method, path, body, params)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise ImportProblem(f"can't reach {self.target.root}: {self._why(error)}") from None
            if reply.status_code not in BUSY or number == TRIES:
                break
            self._wait(_pause(reply, number))
        return reply

    def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str] | None
    ) -> httpx.Response:
        with self._http.stream(method, self.target.root + path, json=body, params=params) as reply:
            parts, size = [], 0
            for part in reply.iter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise ImportProblem(f"{method} {path} was answered with more than {LARGEST} bytes")
                parts.append(part)
            kept = {k: v for k, v in reply.headers.items() if k in ("location", "retry-after")}
            return httpx.Response(reply.status_code, headers=kept, content=b"".join(parts))

    def _why(self, error: Exception) -> str:
        if isinstance(error, httpx.TimeoutException):
            return f"no answer in {self.target.timeout:g} s"
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"its certificate is not trusted ({plain(cause.verify_message)}); see --ca-file"
            cause = cause.__cause__ or cause.__context__
        return self._clean(plain(str(error) or type(error).__name__))

    def _clean(self, text: str) -> str:
        return text.replace(self.target.token, "***")


def _json(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except (ValueError, RecursionError):
        return None


def _pause(reply: httpx.Response, number: int) -> float:
    """Seconds until the next request: what Grafana asks for, within bounds, or 0.5, 1, 2."""
    asked = reply.headers.get("retry-after", "")
    seconds = float(asked) if asked.isascii() and asked.isdigit() else 0.5 * 2 ** (number - 1)
    return min(seconds, LONGEST_WAIT)
