"""The system calls that a sandboxed model is refused, as a classic BPF program.

A listening socket that was opened outside belongs to the host's network: `shutdown` and then
`connect` on it would reach the host's ports, as would MSG_FASTOPEN, and io_uring goes past any
filter. The rest of the list are calls that a model server has no use for and that have been the
way through kernels: new namespaces, mounts, tracing, keys, BPF.

Source: linux/seccomp.h, linux/bpf_common.h, arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h.
"""

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_ALLOW = 0x7FFF0000
_ERROR = 0x00050000
_KILL_PROCESS = 0x80000000

_X32_BIT = 0x40000000
_MSG_FASTOPEN = 0x20000000
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What differs between processors: the audit number and the numbers of the calls."""

    name: str
    """As images call it."""
    audit: int
    calls: Mapping[str, int]
    x32: bool = False
    """Whether the same architecture also carries the x32 ABI, told by a bit of the number."""


# The same on every architecture since Linux 5.1.
_SHARED_CALLS = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "mount_setattr": 442,
}

AMD64 = Architecture(
    name="amd64",
    audit=0xC000003E,
    x32=True,
    calls=_SHARED_CALLS
    | {
        "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "clone": 56, "ptrace": 101,
        "syslog": 103,
        "modify_ldt": 154, "pivot_root": 155, "chroot": 161, "acct": 163, "mount": 165,
        "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "iopl": 172, "ioperm": 173,
        "init_module": 175, "delete_module": 176, "quotactl": 179, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
        "perf_event_open": 298, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "sendmmsg": 307, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
    },
)  # fmt: skip

ARM64 = Architecture(
    name="arm64",
    audit=0xC00000B7,
    calls=_SHARED_CALLS
    | {
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60, "acct": 89,
        "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
        "syslog": 116, "ptrace": 117, "reboot": 142, "socket": 198, "connect": 203, "sendto": 206,
        "sendmsg": 211, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220,
        "swapon": 224, "swapoff": 225, "perf_event_open": 241, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "setns": 268, "sendmmsg": 269, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
        "userfaultfd": 282, "kexec_file_load": 294,
    },
)  # fmt: skip

ARCHITECTURES = {"x86_64": AMD64, "aarch64": ARM64}
"""By the machine name of uname(2)."""

# Refused when any of these bits is set in the argument of that index (from 0).
_REFUSED_BITS = {
    "sendto": (3, _MSG_FASTOPEN),
    "sendmsg": (2, _MSG_FASTOPEN),
    "sendmmsg": (3, _MSG_FASTOPEN),
    "clone": (0, _NEW_NAMESPACES),
}
# Families that belong to a network namespace, and no others: vsock reaches the hypervisor from
# any, and AF_ALG and its like have been ways into kernels. AF_UNIX, INET, INET6, NETLINK.
_FAMILIES = (1, 2, 10, 16)
_WITH_NETWORK = frozenset({"connect", "sendto", "sendmsg", "sendmmsg"})
# The C library falls back to an older call on ENOSYS, and only then: clone3 hides its flags in
# memory, where a filter cannot look.
_NOT_IMPLEMENTED = frozenset({"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"})


def program(architecture: Architecture, *, network: bool) -> bytes:
    """The filter, as an array of struct sock_filter.

    Args:
        architecture: Of the host; calls of any other ABI are refused.
        network: Whether connections may be opened.
    """
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture.audit, if_true=1),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER),
    ]
    if architecture.x32:
        code += [
            _instruction(_JUMP_AT_LEAST, _X32_BIT, if_false=1),
            _instruction(_RETURN, _ERROR | errno.ENOSYS),
        ]
    for name, number in sorted(architecture.calls.items(), key=lambda item: item[1]):
        if network and name in _WITH_NETWORK:
            continue
        answer = _ERROR | (errno.ENOSYS if name in _NOT_IMPLEMENTED else errno.EPERM)
        if name == "socket":
            code += [
                _instruction(_JUMP_EQUAL, number, if_false=len(_FAMILIES) + 3),
                _instruction(_LOAD, _ARGUMENTS),
                *(
                    _instruction(_JUMP_EQUAL, family, if_true=len(_FAMILIES) - at)
                    for at, family in enumerate(_FAMILIES)
                ),
                _instruction(_RETURN, _ERROR | errno.EAFNOSUPPORT),
                _instruction(_RETURN, _ALLOW),
            ]
        elif name in _REFUSED_BITS:
            index, bits = _REFUSED_BITS[name]
            code += [
                _instruction(_JUMP_EQUAL, number, if_false=4),
                _instruction(_LOAD, _ARGUMENTS + 8 * index),
                _instruction(_JUMP_ANY_BIT, bits, if_false=1),
                _instruction(_RETURN, answer),
                _instruction(_RETURN, _ALLOW),
            ]
        else:
            code += [
                _instruction(_JUMP_EQUAL, number, if_false=1),
                _instruction(_RETURN, answer),
            ]
    code.append(_instruction(_RETURN, _ALLOW))
    return b"".join(code)


def _instruction(code: int, operand: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, operand)
