"""httpx: outbound requests carry the trace context and the correlation id."""

from __future__ import annotations

import httpx

from seawall.telemetry.propagation import inject


def instrument(client: httpx.Client | httpx.AsyncClient) -> None:
    """Make a client add the headers to every request that it sends. Doing it twice is doing it once."""
    hook = _on_request_async if isinstance(client, httpx.AsyncClient) else _on_request
    hooks = client.event_hooks
    if hook not in hooks["request"]:
        hooks["request"].append(hook)
        client.event_hooks = hooks


def _on_request(request: httpx.Request) -> None:
    inject(request.headers)


async def _on_request_async(request: httpx.Request) -> None:
    inject(request.headers)
