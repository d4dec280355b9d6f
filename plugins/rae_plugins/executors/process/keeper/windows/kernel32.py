"""The functions of kernel32.dll that the keeper needs, with their types; a call that fails raises OSError.

Types have a fixed width, so that structures look the same wherever they are tested.
"""

import ctypes
from ctypes import POINTER, Structure, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, c_wchar_p
from typing import Any

Handle = int

CREATE_SUSPENDED = 0x4
CREATE_NEW_PROCESS_GROUP = 0x200
CREATE_NO_WINDOW = 0x08000000
CREATE_BREAKAWAY_FROM_JOB = 0x01000000

ERROR_ACCESS_DENIED = 5
ERROR_MORE_DATA = 234
WAIT_TIMEOUT = 0x102
INFINITE = 0xFFFFFFFF
INVALID_HANDLE = c_void_p(-1).value
STILL_ACTIVE = 259

PROCESS_TERMINATE = 0x1
PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
SYNCHRONIZE = 0x100000
JOB_OBJECT_QUERY = 0x4
JOB_OBJECT_TERMINATE = 0x8
CTRL_BREAK_EVENT = 1

_TICKS_PER_SECOND = 10_000_000
_EPOCH_TICKS = 116_444_736_000_000_000
"""The epoch of POSIX, in ticks of Windows: 100 ns since 1601."""


class FileTime(Structure):
    """FILETIME: 100 ns since 1601."""

    _fields_ = (("low", c_uint32), ("high", c_uint32))

    @property
    def ticks(self) -> int:
        """All 64 bits of it."""
        return int(self.high) << 32 | int(self.low)


_BOOL, _DWORD, _HANDLE, _TEXT = c_int, c_uint32, c_void_p, c_wchar_p

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "AssignProcessToJobObject": (_BOOL, (_HANDLE, _HANDLE)),
    "CloseHandle": (_BOOL, (_HANDLE,)),
    "CreateIoCompletionPort": (_HANDLE, (_HANDLE, _HANDLE, c_size_t, _DWORD)),
    "CreateJobObjectW": (_HANDLE, (c_void_p, _TEXT)),
    "DuplicateHandle": (_BOOL, (_HANDLE, _HANDLE, _HANDLE, POINTER(c_void_p), _DWORD, _BOOL, _DWORD)),
    "GenerateConsoleCtrlEvent": (_BOOL, (_DWORD, _DWORD)),
    "GetCurrentProcess": (_HANDLE, ()),
    "GetExitCodeProcess": (_BOOL, (_HANDLE, POINTER(c_uint32))),
    "GetProcessTimes": (_BOOL, (_HANDLE, *[POINTER(FileTime)] * 4)),
    "GetQueuedCompletionStatus": (
        _BOOL,
        (_HANDLE, POINTER(c_uint32), POINTER(c_size_t), POINTER(c_void_p), _DWORD),
    ),
    "OpenJobObjectW": (_HANDLE, (_DWORD, _BOOL, _TEXT)),
    "OpenProcess": (_HANDLE, (_DWORD, _BOOL, _DWORD)),
    "QueryFullProcessImageNameW": (_BOOL, (_HANDLE, _DWORD, c_wchar_p, POINTER(c_uint32))),
    "QueryInformationJobObject": (_BOOL, (_HANDLE, c_int, c_void_p, _DWORD, POINTER(c_uint32))),
    "ResumeThread": (_DWORD, (_HANDLE,)),
    "SetInformationJobObject": (_BOOL, (_HANDLE, c_int, c_void_p, _DWORD)),
    "TerminateJobObject": (_BOOL, (_HANDLE, _DWORD)),
    "TerminateProcess": (_BOOL, (_HANDLE, _DWORD)),
    "WaitForSingleObject": (_DWORD, (_HANDLE, _DWORD)),
}


def load_kernel32() -> Any:
    """Return the library, with the types of its functions. Errors: OSError, AttributeError where there is none."""
    library = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def last_error() -> int:
    """Return the number of the error of the last call in this thread."""
    return int(ctypes.get_last_error())  # type: ignore[attr-defined, unused-ignore]


def windows_error(number: int) -> OSError:
    """Return the exception for an error of Windows."""
    make = getattr(ctypes, "WinError", None)
    return make(number) if make is not None else OSError(number, f"error {number} of Windows")


class Kernel32:
    """The calls, as the rest of this package makes them. Errors of all: OSError."""

    def __init__(self, library: Any = None) -> None:
        """Use `library`; by default the real one."""
        self.library = load_kernel32() if library is None else library
        self._last_error = getattr(library, "last_error", last_error)

    def call(self, name: str, *arguments: Any) -> int:
        """Call a function that returns 0 where it fails."""
        result = getattr(self.library, name)(*arguments)
        if not result or result == INVALID_HANDLE:
            raise windows_error(self._last_error())
        return int(result)

    def fails(self, name: str, *arguments: Any) -> int:
        """Call a function, and return the number of its error, 0 where there is none."""
        return 0 if getattr(self.library, name)(*arguments) else self._last_error()

    def close(self, *handles: Handle | None) -> None:
        """Close handles."""
        for handle in handles:
            if handle:
                self.library.CloseHandle(handle)

    def resume(self, thread: Handle) -> None:
        """Let a thread that was created suspended run."""
        if self.library.ResumeThread(thread) == 0xFFFFFFFF:
            raise windows_error(self._last_error())

    def wait(self, process: Handle, milliseconds: int = INFINITE) -> bool:
        """Wait until a process has ended; return whether it has."""
        return bool(self.library.WaitForSingleObject(process, milliseconds) == 0)

    def exit_code(self, process: Handle) -> int:
        """Return the exit code of a process that has ended."""
        code = c_uint32()
        self.call("GetExitCodeProcess", process, ctypes.byref(code))
        return code.value

    def open_process(self, pid: int, access: int = PROCESS_QUERY_LIMITED_INFORMATION) -> Handle:
        """Return a handle of the process with this pid."""
        return self.call("OpenProcess", access, 0, pid)

    def created_at(self, process: Handle) -> float:
        """Return when a process was created, in seconds since the epoch of POSIX."""
        created, exited, kernel, user = FileTime(), FileTime(), FileTime(), FileTime()
        self.call("GetProcessTimes", process, *map(ctypes.byref, (created, exited, kernel, user)))
        return (created.ticks - _EPOCH_TICKS) / _TICKS_PER_SECOND

    def image_name(self, process: Handle) -> str:
        """Return the file name of a process's program."""
        size = c_uint32(1024)
        text = ctypes.create_unicode_buffer(size.value)
        self.call("QueryFullProcessImageNameW", process, 0, text, ctypes.byref(size))
        return text.value.rpartition("\\")[2]


class BasicLimits(Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("process_user_time", c_int64),
        ("job_user_time", c_int64),
        ("flags", c_uint32),
        ("min_working_set", c_size_t),
        ("max_working_set", c_size_t),
        ("active_processes", c_uint32),
        ("affinity", c_size_t),
        ("priority_class", c_uint32),
        ("scheduling_class", c_uint32),
    )


class ExtendedLimits(Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, with IO_COUNTERS between its parts."""

    _fields_ = (
        ("basic", BasicLimits),
        ("io_counters", c_uint64 * 6),
        ("process_memory", c_size_t),
        ("job_memory", c_size_t),
        ("peak_process_memory", c_size_t),
        ("peak_job_memory", c_size_t),
    )


class Accounting(Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION; times in 100 ns."""

    _fields_ = (
        ("user_time", c_int64),
        ("kernel_time", c_int64),
        ("period_user_time", c_int64),
        ("period_kernel_time", c_int64),
        ("page_faults", c_uint32),
        ("total_processes", c_uint32),
        ("active_processes", c_uint32),
        ("terminated_processes", c_uint32),
    )


class CompletionPort(Structure):
    """JOBOBJECT_ASSOCIATE_COMPLETION_PORT."""

    _fields_ = (("key", c_void_p), ("port", c_void_p))
