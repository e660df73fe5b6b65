"""The program that compiles `.pyc` files; it runs in the Python of a lock, not in Shipmark's.

From standard input come frames of a path and a source; to standard output goes, for each, a frame
of a status and the `.pyc` or a message. A disk's refusal is the exit status.
Sources are compiled; nothing of them is executed.
A `.pyc` is hash-based and unchecked (PEP 552), so that no time is in it and none is asked for.
"""

import gc
import importlib.util
import marshal
import struct
import sys

REQUEST = struct.Struct("<II")
REPLY = struct.Struct("<BII")
COMPILED, REFUSED = 0, 1
_UNCHECKED_HASH = struct.pack("<I", 0b01)


def main() -> None:
    """Answer all requests."""
    gc.disable()  # compiling leaves no cycles behind
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    replies.write(f"{sys.version.split()[0]}\n".encode())
    replies.flush()
    while header := requests.read(REQUEST.size):
        path_bytes, source_bytes = REQUEST.unpack(header)
        path = requests.read(path_bytes).decode()
        status, line, answer = _compiled(path, requests.read(source_bytes))
        replies.write(REPLY.pack(status, line, len(answer)) + answer)
        replies.flush()  # so that the answers tell at which file the compiler broke down


def _compiled(path: str, source: bytes) -> tuple[int, int, bytes]:
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        body = marshal.dumps(code)
    except SyntaxError as error:
        return REFUSED, error.lineno or 0, (error.msg or "invalid syntax").encode()
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return REFUSED, 0, (str(error) or type(error).__name__).encode()
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
    return COMPILED, 0, head + body


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(error.errno)
