"""Exit codes of Windows that say more than a number: those of the kernel, by which a process ends that it has ended.

[MS-ERREF] 2.3.1, "NTSTATUS Values".
"""

_STATUSES = {
    0xC0000005: "it accessed memory that it may not (access violation)",
    0xC000001D: "it ran an illegal instruction",
    0xC0000094: "it divided by zero",
    0xC00000FD: "its stack overflowed",
    0xC0000135: "a DLL that it needs was not found",
    0xC0000139: "a DLL that it needs lacks a function",
    0xC000013A: "it was ended by Ctrl-C, Ctrl-Break, or the end of the session",
    0xC0000142: "a DLL that it needs could not be initialized",
    0xC0000409: "it found its own memory damaged (fast fail)",
    0xC000041D: "an exception of its was not handled",
    0xE06D7363: "a C++ exception was not handled",
}

_FIRST_ERROR_STATUS = 0xC0000000


def explain_status(code: int) -> str | None:
    """Return one line on an exit code of the kernel; None for those that programs choose themselves."""
    if code < _FIRST_ERROR_STATUS:
        return None
    return f"ended by Windows with {code:#010X}".replace("X", "x", 1) + (
        f": {_STATUSES[code]}" if code in _STATUSES else ""
    )
