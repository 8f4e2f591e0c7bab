"""Reading back from Prometheus, through its HTTP API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx


class QueryFailed(Exception):
    """Prometheus refused a query; the text is its own."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a result: its labels, and (Unix seconds, value) points."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus:
    """A client of one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20.0)

    async def _get(self, path: str, **parameters: Any) -> Any:
        answer = await self._client.get(path, params=parameters)
        body = answer.json()
        if body.get("status") != "success":
            raise QueryFailed(body.get("error", f"HTTP {answer.status_code}"))
        return body["data"]

    async def at(self, query: str, when: float) -> list[Series]:
        """A query at one time. Raises QueryFailed."""
        return _series(await self._get("/query", query=query, time=when), when)

    async def over(self, query: str, begin: float, end: float, step: float = 1.0) -> list[Series]:
        """A query over a range. Raises QueryFailed."""
        return _series(await self._get("/query_range", query=query, start=begin, end=end, step=step), end)

    async def values(self, label: str, selector: str, begin: float, end: float) -> list[str]:
        """A label's values on the series that a selector finds. Raises QueryFailed."""
        asked = {"match[]": selector, "start": begin, "end": end}
        found: list[str] = await self._get(f"/label/{label}/values", **asked)
        return found

    async def version(self) -> str:
        """Of the server."""
        found: str = (await self._get("/status/buildinfo"))["version"]
        return found

    async def number(self, query: str, when: float) -> float:
        """The one value of a query; 0 when it has none. Raises QueryFailed."""
        found = await self.at(query, when)
        return found[0].points[-1][1] if found else 0.0

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule that is loaded, with its group's name as `group`."""
        groups = (await self._get("/rules"))["groups"]
        return [rule | {"group": group["name"]} for group in groups for rule in group["rules"]]

    async def targets(self) -> list[dict[str, Any]]:
        """Every target that is scraped."""
        found: list[dict[str, Any]] = (await self._get("/targets"))["activeTargets"]
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _series(data: dict[str, Any], when: float) -> list[Series]:
    if data["resultType"] in ("scalar", "string"):
        return [Series({}, ((float(data["result"][0]), float(data["result"][1])),))]
    return [
        Series(one["metric"], tuple((float(t), float(v)) for t, v in one.get("values", [one.get("value")])))
        for one in data["result"]
    ]
