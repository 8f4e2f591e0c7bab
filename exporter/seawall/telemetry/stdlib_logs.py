"""The standard library's logging through the same lines: a library's warnings carry the same ids."""

from __future__ import annotations

import logging

from structlog.typing import FilteringBoundLogger


class StructuredHandler(logging.Handler):
    """Writes records by a structured logger. Whatever goes wrong stays here."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._logger.log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )
        except Exception:  # noqa: BLE001 - a record that can't be written must not reach who logged it
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - inherited
        """Nothing: the standard library would print the record, arguments and all."""


def take_over(logger: FilteringBoundLogger) -> StructuredHandler | None:
    """Handle the root logger's records, if nothing does yet. `None` when the service has its own handlers."""
    root = logging.getLogger()
    if root.handlers:
        return None
    handler = StructuredHandler(logger)
    root.addHandler(handler)
    return handler


def give_back(handler: StructuredHandler | None) -> None:
    """Undo `take_over`."""
    if handler is not None:
        logging.getLogger().removeHandler(handler)
