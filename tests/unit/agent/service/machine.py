"""A machine of memory for services, and the specs that the tests install on it."""

import re
from dataclasses import dataclass, field
from typing import Any

from agent.mode import Mode
from agent.service.spec import Command, File, Spec, System

HOMES = {
    (System.LINUX, Mode.SERVICE): "/var/lib/botyard-agent",
    (System.LINUX, Mode.SESSION): "/home/ada/.local/state/botyard-agent",
    (System.MACOS, Mode.SESSION): "/Users/ada/Library/Application Support/botyard-agent",
    (System.WINDOWS, Mode.SESSION): r"C:\Users\Ada & Co\AppData\Local\botyard-agent",
    (System.WINDOWS, Mode.SERVICE): r"C:\ProgramData\Botyard\Agent",
}


def spec(system: System = System.LINUX, mode: Mode = Mode.SERVICE, **other: Any) -> Spec:
    """The usual service of a system."""
    values: dict[str, Any] = {
        "system": system,
        "mode": mode,
        "python": "/opt/botyard-agent/bin/python3",
        "home": HOMES[system, mode],
        "user": "botyard-agent" if mode is Mode.SERVICE else "ada",
        "definitions": "/home/ada/.config",
        "uid": 501,
    }
    if system is System.MACOS:
        values["definitions"] = "/Users/ada"
    if system is System.WINDOWS:
        values["python"] = r"C:\Program Files\Botyard\python.exe"
        values["definitions"], values["user"] = r"C:\Users\Ada & Co\AppData\Local", r"PC-1\ada"
        if mode is Mode.SERVICE:
            values["definitions"] = r"C:\Program Files\Botyard"
    return Spec(**(values | other))


@dataclass(kw_only=True)
class MemoryGround:
    """Files, tools and a daemon, as `agent.service.ground` has them; `ran` is every command that was run."""

    files: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    admin: bool = True
    running: bool = False
    foreign: bool = False
    users: set[str] = field(default_factory=lambda: {"ada", r"PC-1\ada"})
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    fail: dict[str, tuple[int, str]] = field(default_factory=dict)
    """A part of a command line, and what that then ends with."""
    missing: set[str] = field(default_factory=set)
    desktops: int = 0
    """Virtual ones that live."""

    def read(self, path: str, encoding: str = "utf-8") -> str | None:
        return self.files.get(path)

    def write(self, file: File) -> None:
        self.files[file.path] = file.text

    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def remove_tree(self, path: str) -> None:
        self.files = {name: text for name, text in self.files.items() if not re.match(re.escape(path) + r"[/\\]", name)}

    def names(self, path: str) -> list[str]:
        below = [name.removeprefix(path)[1:] for name in self.files if re.match(re.escape(path) + r"[/\\]", name)]
        return [re.split(r"[/\\]", name)[0] for name in below]

    def run(self, command: Command) -> tuple[int, str]:
        line = " ".join(command.argv)
        if command.argv[0] in self.missing:
            raise FileNotFoundError(2, "No such file or directory", command.argv[0])
        for part, answer in self.fail.items():
            if part in line:
                return answer
        if "ActiveState" in line:
            return 0, f"ActiveState={'active' if self.running else 'inactive'}\n"
        if " print " in line:
            return (0, "\tstate = running\n") if self.running else (113, "Could not find service")
        if "scm_windows state" in line:
            return 0, "running\r\n" if self.running else "stopped\r\n"
        if "ScheduledTask" in line:
            return 0, "Running\r\n" if self.running else "Ready\r\n"
        self.ran.append(line)
        self._change(line)
        return 0, ""

    def _change(self, line: str) -> None:
        if re.search(r" (start|restart|bootstrap|/run)\b", line):
            self.running = True
        if re.search(r" (stop|disable|bootout|/end|unload)\b", line):
            self.running = False

    def is_admin(self) -> bool:
        return self.admin

    def has_user(self, name: str) -> bool:
        return name in self.users

    def is_foreign(self, home: str, user: str) -> bool:
        return self.foreign

    def ask(self, home: str, word: str) -> dict[str, Any] | None:
        self.ran.append(f"ask {word}")
        return self.answers.get(word)

    def end_desktops(self, home: str) -> int:
        there, self.desktops = self.desktops, 0
        return there

    def wait_for_end(self, home: str) -> bool:
        self.running = False
        return True
