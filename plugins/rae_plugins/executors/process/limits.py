"""Limits of an attempt, set before its program begins: by the shell's ulimit, which the program is then exec'd from."""

from rae_auto.model.policies import Limits

SHELL = "/bin/sh"


def limited(argv: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """The words that start `argv` within its limits. They hold for each process by itself, not for their sum.

    Memory is RLIMIT_DATA rather than the address space, which node and Java reserve in terabytes.
    """
    steps = []
    if limits.memory is not None:
        steps.append(f"ulimit -d {max(limits.memory >> 10, 1)}")
    if limits.cpu_time is not None:
        steps.append(f"ulimit -t {max(round(limits.cpu_time.total_seconds()), 1)}")
    command = "exec "
    if limits.nice is not None:
        command += f"nice -n {limits.nice} "
    if not steps and limits.nice is None:
        return argv
    return (SHELL, "-c", " && ".join([*steps, f'{command}"$@"']), argv[0], *argv)
