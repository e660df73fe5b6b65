"""Who may ask: bearer tokens from a file, checked on every request and read again when it changes.

The file holds no token, only SHA-256 digests, one a line:

    sha256:HEX [NAME [PATTERN...]]

NAME is for logs; a PATTERN such as `iris` or `fraud-*` grants the models whose names fit, none
grants all of them. What comes after `#` at the start of a line is a remark. Source: RFC 6750.
"""

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from shipmark_serve.contract.errors import Forbidden, LoadFailed, ServeError, Unauthenticated
from shipmark_serve.lifecycle import Caller, Guard, Verdict

_MOST_KNOWN = 10_000
"""Headers whose verdict is remembered. One token can be written as several, with more blanks."""
_LINE = re.compile(r"sha256:(?P<digest>[0-9a-fA-F]{64})(?:\s+(?P<name>\S+)(?P<patterns>.*))?")
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*) *")
_PREFIX_BYTES = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A line of the file."""

    digest: bytes
    name: str
    patterns: tuple[str, ...]

    def grants(self, model: str) -> bool:
        """Whether its holder may ask this model."""
        return not self.patterns or any(fnmatchcase(model, each) for each in self.patterns)


def parse(text: str, file: str) -> dict[bytes, Token]:
    """Read the tokens of a file, by the first bytes of their digests.

    Raises:
        LoadFailed: A line is not right. The message has its number and nothing of what it says:
            somebody may have written down a token.
    """
    tokens: dict[bytes, Token] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise LoadFailed(
                f"line {number} of the tokens file {file} is not right",
                hint="a line is: sha256:HEX [NAME [PATTERN...]], with 64 hexadecimal digits "
                "(printf %s TOKEN | sha256sum)",
            )
        digest = bytes.fromhex(match["digest"])
        if digest[:_PREFIX_BYTES] in tokens:
            raise LoadFailed(f"line {number} of the tokens file {file} repeats an earlier token")
        name = match["name"] or f"token-{digest.hex()[:8]}"
        patterns = tuple((match["patterns"] or "").split())
        tokens[digest[:_PREFIX_BYTES]] = Token(digest, name, patterns)
    return tokens


class TokenGuard:
    """Lets in whoever has a token that grants the model.

    Args:
        file: The tokens.
        model: The name of the model that is served.
        numbers: It adds to three of them: how many requests were accepted, unauthenticated, and
            forbidden.
        first: The first of the three.

    Raises:
        LoadFailed: The file cannot be read, or is not right.
    """

    def __init__(self, file: Path, model: str, numbers: list[float], first: int = 0) -> None:
        self._file = file
        self._model = model
        self._numbers = numbers
        self._accepted, self._unauthenticated, self._forbidden = range(first, first + 3)
        self._known: dict[bytes, Caller] = {}
        self._stamp = _stamp(file)
        self._tokens = self._read()

    def check(self, authorization: bytes, now: float) -> Verdict:
        """Judge a request by its Authorization header."""
        del now
        caller = self._known.get(authorization)
        if caller is None:
            return self._judge(authorization)
        self._numbers[self._accepted] += 1.0
        return caller

    def refresh(self) -> None:
        """Read the file again if it has changed; one that is not right changes nothing."""
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            tokens = self._read()
        except LoadFailed as error:
            _log.error("%s: the tokens that were known stay as they are", error.message)
            return
        self._tokens = tokens
        self._known.clear()
        _log.info("read %d tokens from %s", len(tokens), self._file)

    def _judge(self, authorization: bytes) -> Caller | ServeError:
        """Judge a header that is not remembered; a wrong one never will be."""
        match = _BEARER.fullmatch(authorization)
        token = None if match is None else self._find(match[1])
        if token is None:
            self._numbers[self._unauthenticated] += 1.0
            if not authorization:
                return Unauthenticated("the request has no token", hint=_HOW)
            if match is None:
                return Unauthenticated("the Authorization header is not a bearer token", hint=_HOW)
            return Unauthenticated("the token is not one that this server knows", hint=_ASK)
        if not token.grants(self._model):
            self._numbers[self._forbidden] += 1.0
            return Forbidden(f"{token.name} may not ask the model {self._model}", hint=_ASK)
        self._numbers[self._accepted] += 1.0
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        caller = self._known[authorization] = Caller(token.name)
        return caller

    def _find(self, token: bytes) -> Token | None:
        digest = hashlib.sha256(token).digest()
        found = self._tokens.get(digest[:_PREFIX_BYTES])
        if found is not None and hmac.compare_digest(found.digest, digest):
            return found
        return None

    def _read(self) -> dict[bytes, Token]:
        try:
            tokens = parse(self._file.read_text(encoding="utf-8"), str(self._file))
        except OSError as error:
            raise LoadFailed(
                f"cannot read the tokens file {self._file}: {error.strerror}",
                hint="SHIPMARK_TOKENS_FILE names it",
            ) from error
        except UnicodeDecodeError as error:
            raise LoadFailed(f"the tokens file {self._file} is not text in UTF-8") from error
        if not tokens:
            _log.warning("the tokens file %s holds no token: nobody is let in", self._file)
        return tokens


_HOW = "send the header: Authorization: Bearer TOKEN"
_ASK = "ask the one who runs this server for a token"


def _stamp(file: Path) -> tuple[int, ...]:
    """What changes when the file is written or replaced; empty where it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _conforms(guard: TokenGuard) -> Guard:
    return guard
