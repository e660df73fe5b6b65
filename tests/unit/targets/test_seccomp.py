"""The filter refuses what it should and nothing else, on both processors, as the kernel runs it."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.targets.process import seccomp
from shipmark.targets.process.seccomp import AMD64, ARM64, Architecture

ALLOW, KILL = 0x7FFF0000, 0x80000000
BOTH = pytest.mark.parametrize("architecture", [AMD64, ARM64], ids=lambda each: each.name)
FASTOPEN = 0x20000000


def _run(
    program: bytes, number: int, audit: int, arguments: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
) -> int:
    """A classic BPF machine with the instructions that seccomp allows and the filter uses."""
    data = struct.pack("<IIQ6Q", number, audit, 0, *arguments)
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator = position = 0
    while True:
        operation, if_true, if_false, operand = code[position]
        position += 1
        if operation == 0x06:
            return int(operand)
        if operation == 0x20:
            assert operand % 4 == 0
            assert operand < 64
            accumulator = struct.unpack_from("<I", data, operand)[0]
            continue
        holds = {
            0x15: accumulator == operand,
            0x35: accumulator >= operand,
            0x45: bool(accumulator & operand),
        }[operation]
        position += if_true if holds else if_false


def _answer(
    architecture: Architecture, call: str, *arguments: int, network: bool = False
) -> int | str:
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    result = _run(
        seccomp.program(architecture, network=network),
        architecture.calls[call],
        architecture.audit,
        padded,
    )
    if result == ALLOW:
        return "allowed"
    assert result & 0xFFFF0000 == 0x00050000
    return result & 0xFFFF


@BOTH
def test_ways_out_are_refused(architecture: Architecture) -> None:
    assert _answer(architecture, "connect") == errno.EPERM
    assert _answer(architecture, "sendto", 0, 0, 0, FASTOPEN) == errno.EPERM
    assert _answer(architecture, "sendmsg", 0, 0, FASTOPEN | 1) == errno.EPERM
    assert _answer(architecture, "sendmmsg", 0, 0, 0, FASTOPEN) == errno.EPERM
    for call in ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3"):
        assert _answer(architecture, call) == errno.ENOSYS
    assert _answer(architecture, "socket", 40) == errno.EAFNOSUPPORT


@BOTH
def test_what_a_server_does_is_allowed(architecture: Architecture) -> None:
    no_signal = 0x4000
    assert _answer(architecture, "sendto", 0, 0, 0, no_signal) == "allowed"
    assert _answer(architecture, "sendmsg", 0, 0, no_signal) == "allowed"
    thread = 0x3D0F00  # the flags of pthread_create
    assert _answer(architecture, "clone", thread) == "allowed"
    for family in (1, 2, 10, 16):
        assert _answer(architecture, "socket", family) == "allowed"


@BOTH
def test_network_opens_connections_only(architecture: Architecture) -> None:
    assert _answer(architecture, "connect", network=True) == "allowed"
    assert _answer(architecture, "sendto", 0, 0, 0, FASTOPEN, network=True) == "allowed"
    assert _answer(architecture, "io_uring_setup", network=True) == errno.ENOSYS
    assert _answer(architecture, "ptrace", network=True) == errno.EPERM


@BOTH
@pytest.mark.parametrize(
    "flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
)
def test_new_namespaces_are_refused(architecture: Architecture, flag: int) -> None:
    assert _answer(architecture, "clone", flag | 17) == errno.EPERM


@given(number=st.integers(0, 2**32 - 1), audit=st.integers(0, 2**32 - 1))
def test_other_architectures_are_killed(number: int, audit: int) -> None:
    for architecture in (AMD64, ARM64):
        if audit != architecture.audit:
            program = seccomp.program(architecture, network=True)
            assert _run(program, number, audit) == KILL


@given(number=st.integers(0x40000000, 2**32 - 1))
def test_x32_does_not_exist(number: int) -> None:
    result = _run(seccomp.program(AMD64, network=True), number, AMD64.audit)
    assert result == 0x00050000 | errno.ENOSYS


@given(
    number=st.integers(0, 0x3FFFFFFF),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
)
def test_calls_that_are_not_listed_are_allowed(number: int, arguments: tuple[int, ...]) -> None:
    for architecture in (AMD64, ARM64):
        if number not in architecture.calls.values():
            program = seccomp.program(architecture, network=False)
            assert _run(program, number, architecture.audit, arguments) == ALLOW
