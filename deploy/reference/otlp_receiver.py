"""A receiver of OTLP made of the official opentelemetry-proto stubs, over gRPC and HTTP.

It keeps every span, data point and log record as one line of JSON in a file and counts them.
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
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

import grpc  # type: ignore[import-untyped]  # brings no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # brings no types
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from reference.otlp_plain import ITEMS

HOST = "127.0.0.1"
#: By signal, the requests and answers of its service.
_MESSAGES: dict[str, tuple[Any, Any]] = {
    "traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
    "metrics": (
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
    ),
    "logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}
_LARGEST_BODY = 64 * 1024 * 1024


class Receiver:
    """Listens for OTLP on two ports of the loopback interface; port 0 takes any free one.

    ``OSError`` when a port can't be had. What comes is appended to ``file``; `count` says how many spans have
    come, `received` how many of what.
    """

    def __init__(self, file: Path, *, grpc_port: int = 0, http_port: int = 0) -> None:
        self._arrived = threading.Condition()
        self._count = {(signal, protocol): 0 for signal in ITEMS for protocol in ("grpc", "http")}
        self._file: TextIO = file.open("a", encoding="utf-8")
        try:
            self._http = _listening(http_port, self)
        except OSError:
            self._file.close()
            raise
        self.http_port: int = self._http.server_address[1]
        self._grpc = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        _serve(self, self._grpc)
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
        return {protocol: n for (signal, protocol), n in self.received.items() if signal == "traces"}

    @property
    def received(self) -> dict[tuple[str, str], int]:
        """Spans, data points and log records received so far, by signal and protocol."""
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

    def wait_for(self, items: int, *, within: float, signal: str = "traces") -> bool:
        """Wait until so many have come of a signal, for ``within`` seconds at most."""
        with self._arrived:
            return self._arrived.wait_for(
                lambda: self._count[signal, "grpc"] + self._count[signal, "http"] >= items, within
            )

    def take(self, signal: str, request: Any, protocol: str) -> None:
        """Keep what is in one request."""
        said = {"signal": signal, "protocol": protocol}
        lines = [json.dumps({**said, **item}) for item in ITEMS[signal](request)]
        with self._arrived:
            self._file.writelines(line + "\n" for line in lines)
            self._file.flush()
            self._count[signal, protocol] += len(lines)
            self._arrived.notify_all()


def _serve(receiver: Receiver, server: grpc.Server) -> None:
    def export(signal: str) -> Any:
        def answer(_: object, request: Any, __: grpc.ServicerContext) -> Any:
            receiver.take(signal, request, "grpc")
            return _MESSAGES[signal][1]()

        return answer

    services: Any = (trace_service_pb2_grpc, metrics_service_pb2_grpc, logs_service_pb2_grpc)
    for (signal, _), stubs, name in zip(ITEMS.items(), services, ("Trace", "Metrics", "Logs"), strict=True):
        servicer = type(name, (getattr(stubs, f"{name}ServiceServicer"),), {"Export": export(signal)})
        getattr(stubs, f"add_{name}ServiceServicer_to_server")(servicer(), server)


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
        signal = self.path.removeprefix("/v1/")
        if signal == self.path or signal not in _MESSAGES:
            self._answer(404)
            return
        request_of, answer = _MESSAGES[signal]
        request = request_of()
        try:
            request.ParseFromString(self._decompressed(body))
        except (DecodeError, OSError, EOFError, zlib.error):
            self._answer(400)
            return
        self.server.receiver.take(signal, request, "http")
        self._answer(200, answer().SerializeToString())

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
    parser.add_argument("--file", type=Path, required=True, help="where it is kept, one line of JSON each")
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
