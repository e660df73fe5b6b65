"""A process in a sandbox on this host, kept running by a supervisor of its own.

No daemon: `target` prepares a deployment (`rootfs`, `host`, `cgroup`) and starts one
`supervisor`, which opens the port, starts the sandbox (`launch`, `overlay`, `sandbox`, `seccomp`)
and watches it (`probe`, `log`). All they know of each other lies in a directory (`state`).
"""
