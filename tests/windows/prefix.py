"""A Wine prefix of its own, with the bundle's Python, for a user without rights; nothing of it stays."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

NEEDED = ("wine", "wineserver", "Xvfb", "setpriv", "x86_64-w64-mingw32-gcc")
USER = 64321
_DISPLAY = ":77"
_STUB = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size) { return SystemFunction036(to, (ULONG)size); }
"""
"""Rust's libraries want it; Wine 8 has no bcryptprimitives.dll."""


class Prefix:
    """`with Prefix(folder, program) as wine: wine.python("-c", "...")`."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        self.program = program
        self.drive = folder / "prefix" / "drive_c"
        self._screen: subprocess.Popen[bytes] | None = None
        self._env = {
            "HOME": str(folder / "home"),
            "USER": "wine",
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "WINEPREFIX": str(folder / "prefix"),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "DISPLAY": _DISPLAY,
        }

    def __enter__(self) -> Self:
        for name in ("home", "prefix"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, USER, USER)
        stub = self.program / "bcryptprimitives.dll"
        (self.folder / "stub.c").write_text(_STUB)
        words = ["-shared", "-O1", "-o", str(stub), str(self.folder / "stub.c"), "-ladvapi32"]
        compiler = ["x86_64-w64-mingw32-gcc", *words]
        subprocess.run(compiler, check=True)
        shutil.copy(stub, self.program / "Lib/site-packages/bin")
        screen = ["Xvfb", _DISPLAY, "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
        self._screen = subprocess.Popen([*_AS_USER, *screen], env=self._env, stderr=subprocess.DEVNULL)
        # First, so that what a program leaves running holds none of its pipes; 2 is said where it runs already.
        self._run(["wineserver", "-p"], 30, None)
        self._run(["wine", "winecfg", "-v", "win10"], 180)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(["wineserver", "-k"], 30)
        if self._screen is not None:
            self._screen.terminate()
            self._screen.wait()
        shutil.rmtree(f"/tmp/.wine-{USER}", ignore_errors=True)

    def python(self, *words: str, code: int | None = 0, within_s: float = 120) -> str:
        """Run the bundle's Python; its output. `code` None: whatever it ends with."""
        return self._run(["wine", str(self.program / "python.exe"), *words], within_s, code)

    def agent(self, *words: str, code: int | None = 0, within_s: float = 120) -> str:
        """Run `botyard-agent`."""
        return self.python("-I", "-m", "agent", *words, code=code, within_s=within_s)

    def wait_for(self, condition: str, *words: str, within_s: float = 120) -> str:
        """Run `botyard-agent` until it says so."""
        until = time.monotonic() + within_s
        while condition not in (said := self.agent(*words, code=None)):
            assert time.monotonic() < until, f"{condition!r} was not said: {said}"
        return said

    def _run(self, command: list[str], within_s: float, code: int | None = 0) -> str:
        # A pipe, as Wine gives a program no other output; read to the end of the program, not of who inherited it.
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as kept:
            carry = subprocess.Popen(["cat"], stdin=reader, stdout=kept)
            os.close(reader)
            try:
                done = subprocess.run(
                    [*_AS_USER, *command],
                    env=self._env,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=writer,
                    stderr=writer,
                    timeout=within_s,
                    check=False,
                )
            finally:
                os.close(writer)
                try:
                    carry.wait(1)
                except subprocess.TimeoutExpired:
                    carry.kill()
                    carry.wait()
            kept.seek(0)
            said = kept.read().decode("utf-8", "replace")
        assert code in {None, done.returncode}, f"{command[-3:]} ended with {done.returncode}: {said[-1500:]}"
        return said


_AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
