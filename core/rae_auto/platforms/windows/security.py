"""Security descriptors of files, by the calls of advapi32. Nothing here decides anything."""

import ctypes
from pathlib import Path
from typing import Any, Protocol

_FILE_OBJECT = 1
_OWNER, _DACL, _PROTECTED_DACL = 0x1, 0x4, 0x80000000
_REVISION = 1
_TOKEN_QUERY, _TOKEN_USER = 0x8, 1


class FileSecurity(Protocol):
    """Access to security descriptors, in their text form."""

    def own_sid(self) -> str:
        """Return the SID of the user of this process. Errors: OSError."""
        ...

    def read(self, path: Path) -> str:
        """Return owner and list of a file or folder. Errors: OSError."""
        ...

    def write(self, path: Path, descriptor: str) -> None:
        """Replace the list of a file or folder, and of what inherits from it. Errors: OSError."""
        ...


class AdvapiSecurity:
    """Descriptors as Windows has them; ctypes, because pywin32 isn't required."""

    def __init__(self) -> None:
        libraries: Any = ctypes
        self._advapi = libraries.WinDLL("advapi32", use_last_error=True)
        self._kernel = libraries.WinDLL("kernel32", use_last_error=True)
        self._kernel.LocalFree.argtypes = [ctypes.c_void_p]
        self._kernel.GetCurrentProcess.restype = ctypes.c_void_p
        self._kernel.CloseHandle.argtypes = [ctypes.c_void_p]

    def own_sid(self) -> str:
        """Return the user in the token of this process."""
        token = ctypes.c_void_p()
        process = ctypes.c_void_p(self._kernel.GetCurrentProcess())
        self._check(self._advapi.OpenProcessToken(process, _TOKEN_QUERY, ctypes.byref(token)))
        try:
            size = ctypes.c_uint32()
            self._advapi.GetTokenInformation(token, _TOKEN_USER, None, 0, ctypes.byref(size))
            buffer = ctypes.create_string_buffer(size.value)
            self._check(self._advapi.GetTokenInformation(token, _TOKEN_USER, buffer, size, ctypes.byref(size)))
            # TOKEN_USER begins with the pointer to the SID.
            sid = ctypes.c_void_p.from_buffer(buffer)
            text = ctypes.c_void_p()
            self._check(self._advapi.ConvertSidToStringSidW(sid, ctypes.byref(text)))
            return self._take_text(text)
        finally:
            self._kernel.CloseHandle(token)

    def read(self, path: Path) -> str:
        """Return owner and list by GetNamedSecurityInfoW."""
        descriptor, text = ctypes.c_void_p(), ctypes.c_void_p()
        error = self._advapi.GetNamedSecurityInfoW(
            ctypes.c_wchar_p(str(path)), _FILE_OBJECT, _OWNER | _DACL, None, None, None, None, ctypes.byref(descriptor)
        )
        self._raise(error, path)
        try:
            self._check(
                self._advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(
                    descriptor, _REVISION, _OWNER | _DACL, ctypes.byref(text), None
                )
            )
            return self._take_text(text)
        finally:
            self._kernel.LocalFree(descriptor)

    def write(self, path: Path, descriptor: str) -> None:
        """Set the list by SetNamedSecurityInfoW, which passes it on to what is in a folder already.

        And by SetFileSecurityW, because Wine does nothing at the former.
        """
        made, entries = ctypes.c_void_p(), ctypes.c_void_p()
        is_present, is_default = ctypes.c_int(), ctypes.c_int()
        self._check(
            self._advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                ctypes.c_wchar_p(descriptor), _REVISION, ctypes.byref(made), None
            )
        )
        try:
            found = [ctypes.byref(value) for value in (is_present, entries, is_default)]
            self._check(self._advapi.GetSecurityDescriptorDacl(made, *found))
            name = ctypes.c_wchar_p(str(path))
            flags = ctypes.c_uint32(_DACL | _PROTECTED_DACL)
            error = self._advapi.SetNamedSecurityInfoW(name, _FILE_OBJECT, flags, None, None, entries, None)
            self._raise(error, path)
            self._check(self._advapi.SetFileSecurityW(name, ctypes.c_uint32(_DACL), made))
        finally:
            self._kernel.LocalFree(made)

    def _take_text(self, pointer: ctypes.c_void_p) -> str:
        try:
            return ctypes.wstring_at(pointer.value or 0)
        finally:
            self._kernel.LocalFree(pointer)

    def _check(self, succeeded: int) -> None:
        if not succeeded:
            functions: Any = ctypes
            raise functions.WinError(functions.get_last_error())

    def _raise(self, error: int, path: Path) -> None:
        if error:
            functions: Any = ctypes
            raise OSError(None, functions.FormatError(error), str(path), error)
