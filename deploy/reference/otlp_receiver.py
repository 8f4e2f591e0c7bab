"""A receiver of OTLP traces made of the official opentelemetry-proto stubs, over gRPC and HTTP.

It keeps every span as one line of JSON in a file and counts them.
`python -m reference.otlp_receiver` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOST = "127.0.0.1"
_TRACES = "/v1/traces"
_LARGEST_BODY = 64 * 1024 * 1024


class Receiver:
    """Listens for OTLP on two ports of the loopback interface; port 0 takes any free one.

    ``OSError`` when a port can't be had. Spans are appended to ``file``; `count` says how many have come.
    """

    def __init__(self, file: Path, *, grpc_port: int = 0, http_port: int = 0) -> None:
        self._arrived = threading.Condition()
        self._count = {"grpc": 0, "http": 0}
        self._file: TextIO = file.open("a", encoding="utf-8")
        try:
            self._http = _listening(http_port, self)
        except OSError:
            self._file.close()
            raise
        self.http_port: int = self._http.server_address[1]
        self._grpc = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        add_TraceServiceServicer_to_server(_Service(self), self._grpc)  # type: ignore[no-untyped-call]
        try:
            self.grpc_port: int = self._grpc.add_insecure_port(f"{HOST}:{grpc_port}")
        except RuntimeError:
            self._http.server_close()
            self._file.close()
            raise OSError(f"port {grpc_port} is in use") from None
        self._thread = threading.Thread(target=self._http.serve_forever, name="otlp-http", daemon=True)

    @property
    def count(self) -> dict[str, int]:
        """Spans received so far, by protocol."""
        with self._arrived:
            return dict(self._count)

    def start(self) -> None:
        self._thread.start()
        self._grpc.start()

    def stop(self) -> None:
        self._grpc.stop(grace=1).wait()
        self._http.shutdown()
        self._http.server_close()
        with self._arrived:
            self._file.close()

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for(self, spans: int, *, within: float) -> bool:
        """Wait until so many spans have come in all, for ``within`` seconds at most."""
        with self._arrived:
            return self._arrived.wait_for(lambda: sum(self._count.values()) >= spans, within)

    def take(self, request: ExportTraceServiceRequest, protocol: str) -> None:
        """Keep the spans of one request."""
        lines = [json.dumps(line) for line in spans_of(request, protocol)]
        with self._arrived:
            self._file.writelines(line + "\n" for line in lines)
            self._file.flush()
            self._count[protocol] += len(lines)
            self._arrived.notify_all()


def spans_of(request: ExportTraceServiceRequest, protocol: str) -> Iterator[dict[str, object]]:
    """Each span of a request, with its resource, as plain data; ids in hexadecimal, times in seconds."""
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {
                    "protocol": protocol,
                    "service": resource.get("service.name", ""),
                    "resource": resource,
                    "scope": of_scope.scope.name,
                    **_plain(span),
                }


def _plain(span: Span) -> dict[str, object]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "start": span.start_time_unix_nano / 1e9,
        "end": span.end_time_unix_nano / 1e9,
        "status": span.status.code,
        "attributes": _attributes(span.attributes),
        "events": [{"name": e.name, "attributes": _attributes(e.attributes)} for e in span.events],
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
    }


def _attributes(pairs: Any) -> dict[str, object]:
    found: list[KeyValue] = list(pairs)
    return {pair.key: _value(pair.value) for pair in found}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)


class _Service(TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(  # noqa: N802 - the protocol's name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self._receiver.take(request, "grpc")
        return ExportTraceServiceResponse()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver


def _listening(port: int, receiver: Receiver) -> _HttpServer:
    try:
        return _HttpServer((HOST, port), receiver)
    except OSError as error:
        raise OSError(
            f"port {port} is in use" if error.errno == errno.EADDRINUSE else error.strerror
        ) from None


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > _LARGEST_BODY:
            self._answer(411 if not size else 413)
            return
        body = self.rfile.read(int(size))
        if self.path != _TRACES:
            self._answer(404)
            return
        request = ExportTraceServiceRequest()
        try:
            request.ParseFromString(self._decompressed(body))
        except (DecodeError, OSError, EOFError, zlib.error):
            self._answer(400)
            return
        self.server.receiver.take(request, "http")
        self._answer(200, ExportTraceServiceResponse().SerializeToString())

    def _decompressed(self, body: bytes) -> bytes:
        coding = self.headers.get("Content-Encoding", "identity")
        return gzip.decompress(body) if coding == "gzip" else body

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted. Exit code 2 when a port or the file can't be had."""
    parser = argparse.ArgumentParser(prog="python -m reference.otlp_receiver", description=__doc__)
    parser.add_argument("--grpc-port", type=int, default=4317)
    parser.add_argument("--http-port", type=int, default=4318)
    parser.add_argument(
        "--file", type=Path, required=True, help="where spans are kept, one line of JSON each"
    )
    options = parser.parse_args(arguments)
    try:
        receiver = Receiver(options.file, grpc_port=options.grpc_port, http_port=options.http_port)
    except OSError as error:
        parser.exit(2, f"otlp_receiver: {error}\n")
    with receiver:
        print(f"OTLP gRPC on {HOST}:{receiver.grpc_port}, HTTP on {HOST}:{receiver.http_port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
