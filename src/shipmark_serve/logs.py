"""Log lines on standard error: plain ones, or one JSON object a line; the request id in each."""

import contextvars
import logging
import time
from typing import Literal

import msgspec

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""The request that is being answered; the model's own log lines carry it too."""

Format = Literal["text", "json"]
SECOND = "%Y-%m-%dT%H:%M:%S"


def configure(level: str, form: Format = "text") -> None:
    """Send everything that is logged, the model's own lines included, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _text())
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class _Json(logging.Formatter):
    """`time`, `level`, `request_id`, `logger`, `message`; `exception` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        second = time.strftime(SECOND, time.gmtime(record.created))
        line = {
            "time": f"{second}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "request_id": request_id.get(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        # A model may log what it read from a request: half of a surrogate pair, for example.
        fit = {key: value.encode(errors="replace").decode() for key, value in line.items()}
        return msgspec.json.encode(fit).decode()


def _text() -> logging.Formatter:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s [%(request_id)s] %(message)s", SECOND
    )
    formatter.converter = time.gmtime
    return formatter


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True
