"""Install, uninstall, start, stop and ask a service: the order of the steps, over pure texts and a port.

Each step may be repeated: whoever dies between two of them types the same command again.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.errors import AgentError, SetupError, UsageError
from agent.mode import Mode
from agent.service import launchd, systemd, windows_service, windows_task
from agent.service.ground import Ground
from agent.service.purge import why_not_purged
from agent.service.spec import (
    NAME,
    SERVICE_USER,
    Command,
    Manager,
    Spec,
    System,
    Verb,
    check,
    check_mode,
    unseen,
)

EXIT_NOT_INSTALLED = 5
MANAGERS: dict[tuple[System, Mode], Manager] = {
    (System.LINUX, Mode.SERVICE): systemd,
    (System.LINUX, Mode.SESSION): systemd,
    (System.MACOS, Mode.SESSION): launchd,
    (System.WINDOWS, Mode.SERVICE): windows_service,
    (System.WINDOWS, Mode.SESSION): windows_task,
}
_COMPLAINT = 400
"""Characters of what a tool says when it fails."""


class NotInstalledError(AgentError):
    """There is no service to start or stop."""

    exit_code = EXIT_NOT_INSTALLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a service; `linked` is None where neither its daemon nor its manager could be asked."""

    mode: Mode
    installed: bool
    running: bool
    linked: bool | None
    home: str
    definition: str
    logs: str
    answer: dict[str, Any] | None


class Service:
    """One service on one machine. `say` is given each thing that was done, as a line for people."""

    def __init__(self, spec: Spec, ground: Ground, say: Callable[[str], None]) -> None:
        self.manager = MANAGERS[check_mode(spec).system, spec.mode]
        self._ground = ground
        self._say = say
        self._definition = self.manager.files(spec)[0]
        own = ground.read(self._definition.path, self._definition.encoding)
        self._packaged = None if own is not None else _packaged(spec, ground)
        """The unit of a .deb, where nothing stands before it."""
        self._known = self._packaged if own is None else own
        self._asked = spec
        self._spec = spec if self._known is None else self.manager.as_installed(spec, self._known)
        """As it is installed; what is asked for counts for `install` only."""

    @property
    def is_installed(self) -> bool:
        """Whether its definition is there."""
        return self._known is not None

    @property
    def home(self) -> str:
        """The runner's folder that is asked for."""
        return self._asked.home

    # --- commands ----------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Write what differs, load it at each start of machine or session, and start it where it is enrolled.

        Raises UsageError, SetupError (rights, no manager), AgentError (what the manager refused).
        """
        spec = self._spec = self._checked()
        if why := unseen(spec):
            raise UsageError(why)
        self.need_rights("install")
        self._need_manager()
        was_running = self._is_running()
        changed = self._write_what_differs(spec)
        self._do(Verb.LOAD)
        if not self._is_enrolled():
            self._say(f"not started, as it is no runner yet: {spec.program} enroll URL --token FILE --home {spec.home}")
            self._say(f"then: {spec.program} service start")
        elif was_running and not changed:
            self._say("runs already")
        else:
            self._own_home()
            self._do(Verb.RESTART if was_running else Verb.START)
            self._say("restarted; bots live on" if was_running else "started")
        self._say(f"settings: {self._in_home('agent.toml')}")
        self._say(f"logs: {self.manager.logs(spec)}")

    def uninstall(self, *, purge: bool) -> None:
        """End the bots, stop and unload it, remove its files; with `purge` its home, logs and user too."""
        self.need_rights("uninstall")
        self._check_uninstall(purge=purge)
        if self.is_installed:
            self._need_manager()
            if self._is_running() and not self._end_bots():
                self._say("the daemon did not end its bots")
            self._do(Verb.UNLOAD)
            if self._ground.end_desktops(self._spec.home):
                self._say("ended virtual desktops that had outlived their daemon")
        else:
            self._say("not installed")
        if purge:
            self._purge()
        # The definition last: who dies before types the same command again, and nothing is forgotten.
        for path in reversed(self.manager.paths(self._spec, purge=purge)):
            if self._ground.read(path) is not None:
                self._ground.remove(path)
                self._say(f"removed {path}")
        if self.is_installed:
            self._do(Verb.FORGET)
        if not purge and self._ground.names(self._spec.home):
            self._say(f"kept: {self._spec.home}; --purge removes it too")

    def start(self) -> None:
        """Start it. Raises NotInstalledError, and SetupError where it is not enrolled."""
        self._need_installed()
        self.need_rights("start")
        if not self._is_enrolled():
            home, program = self._spec.home, self._spec.program
            raise SetupError(f"{home} is no runner yet: {program} enroll URL --token FILE --home {home}")
        self._need_manager()
        if self._is_running():
            self._say("runs already")
            return
        self._own_home()
        self._do(Verb.START)
        self._say("started")

    def stop(self, *, now: bool) -> None:
        """Stop it until it is started, or machine or session start; bots live on, or end first with `now`."""
        self._need_installed()
        self.need_rights("stop")
        self._need_manager()
        if not self._is_running():
            self._say("does not run")
            return
        if now and not self._end_bots():
            raise AgentError("the daemon did not end its bots, or does not answer: try again, or stop without --now")
        self._do(Verb.STOP)
        self._say("stopped; its bots have ended" if now else "stopped; bots live on")

    def standing(self) -> Standing:
        """What is known of it; asks, and changes nothing."""
        told = self._state() if self.is_installed else (1, "")
        running = self.manager.is_running(*told)
        answer = self._ground.ask(self._spec.home, "status") if running else None
        return Standing(
            mode=self._spec.mode,
            installed=self.is_installed,
            running=running,
            linked=self.manager.link_told(told[1]) if answer is None else bool(answer.get("linked")),
            home=self._spec.home,
            definition=self._definition.path if self._packaged is None else systemd.PACKAGED_UNIT,
            logs=self.manager.logs(self._spec),
            answer=answer,
        )

    def preview(self, word: str, *, purge: bool = False) -> str:
        """Files and commands of `install`, `uninstall`, `start` or `stop`, as text; nothing is touched."""
        spec = self._checked() if word == "install" else self._spec
        if word == "uninstall":
            self._check_uninstall(purge=purge)
        verbs = {
            "install": (Verb.PREPARE, Verb.LOAD, Verb.OWN, Verb.START),
            "uninstall": (Verb.UNLOAD, *((Verb.PURGE,) if purge else ()), Verb.FORGET),
            "start": (Verb.OWN, Verb.START),
            "stop": (Verb.STOP,),
        }[word]
        lines = [shlex.join(one.argv) for verb in verbs for one in self.manager.commands(verb, spec)]
        files = self.manager.files(spec) if word == "install" else ()
        gone = [*self.manager.paths(spec, purge=purge)] if word == "uninstall" else []
        gone += [spec.home, *self.manager.leftovers(spec)] if purge else []
        shown = [f"# {file.path} ({file.mode:04o})\n{file.text}" for file in files]
        doubts = [f"# install refuses this: {why}"] if word == "install" and (why := unseen(spec)) else []
        return "\n".join([*doubts, *shown, *(f"# removes {path}" for path in gone), "# commands", *lines])

    # --- steps -------------------------------------------------------------------------------------------------------

    def _checked(self) -> Spec:
        """What is asked for, where it can be installed here. Raises UsageError."""
        spec = check(self._asked)
        if spec.mode is Mode.SERVICE and spec.user != SERVICE_USER and not self._ground.has_user(spec.user):
            raise UsageError(f"--user {spec.user}: this machine has no such user")
        return spec

    def _write_what_differs(self, spec: Spec) -> bool:
        """Write the files, make the user; whether anything differed. What a package brought just so stays."""
        if self._packaged == self.manager.files(spec)[0].text:
            self._say(f"{systemd.PACKAGED_UNIT} is as it should be")
            return False
        changed = [
            file for file in self.manager.files(spec) if self._ground.read(file.path, file.encoding) != file.text
        ]
        for file in changed:
            self._ground.write(file)
            self._say(f"wrote {file.path}")
        if not changed:
            self._say(f"{self._definition.path} is as it should be")
        self._do(Verb.PREPARE)
        return bool(changed)

    def _do(self, verb: Verb) -> None:
        for command in self.manager.commands(verb, self._spec):
            self._run(command)

    def _run(self, command: Command) -> tuple[int, str]:
        line = shlex.join(command.argv)
        try:
            code, output = self._ground.run(command)
        except FileNotFoundError:
            raise SetupError(f"this machine has no {command.argv[0]}, which {line} needs") from None
        if command.ok is not None and code not in command.ok:
            raise AgentError(f"{line}: {' '.join(output.split())[-_COMPLAINT:] or f'ended with {code}'}")
        return code, output

    def _need_manager(self) -> None:
        try:
            self._do(Verb.CHECK)
        except AgentError as error:
            raise SetupError(f"no service manager answers here: {error}; without one: botyard-agent run") from None

    def _need_installed(self) -> None:
        if not self.is_installed:
            raise NotInstalledError(f"not installed: {self._spec.program} service install --mode {self._spec.mode}")

    def need_rights(self, word: str) -> None:
        """Raise SetupError where this user may not change the machine's services; `word` is what was typed."""
        if self._spec.mode is Mode.SERVICE and not self._ground.is_admin():
            line = f"{self._spec.program} service {word} --mode service"
            if self._spec.system is System.WINDOWS:
                raise SetupError(f"this needs an administrator: in a terminal that was run as one, type {line}")
            raise SetupError(f"this needs root: sudo {line}")
        if self._spec.system is System.MACOS and self._ground.is_admin():
            raise SetupError("run this as the user whose desktop the bots use, not as root")

    def _is_running(self) -> bool:
        return self.manager.is_running(*self._state())

    def _state(self) -> tuple[int, str]:
        (command,) = self.manager.commands(Verb.STATE, self._spec)
        return self._run(command)

    def _is_enrolled(self) -> bool:
        return "identity.json" in self._ground.names(self._spec.home)

    def _own_home(self) -> None:
        if self._spec.mode is not Mode.SERVICE:
            return
        if self._ground.is_foreign(self._spec.home, self._spec.user):
            self._do(Verb.OWN)

    def _end_bots(self) -> bool:
        home = self._spec.home
        return self._ground.ask(home, "stop-now") is not None and self._ground.wait_for_end(home)

    def _check_uninstall(self, *, purge: bool) -> None:
        if self._packaged is not None:
            raise UsageError(f"a package brought it: apt {'purge' if purge else 'remove'} {NAME}")
        if not purge:
            return
        if said := why_not_purged(self._spec, self._ground.names(self._spec.home)):
            raise SetupError(said)

    def _purge(self) -> None:
        for folder in (self._spec.home, *self.manager.leftovers(self._spec)):
            if self._ground.names(folder):
                self._say(f"removed {folder}")
            self._ground.remove_tree(folder)
        if any(self._ground.read(path) is not None for path in self.manager.paths(self._spec, purge=True)):
            self._do(Verb.PURGE)  # else the user was never ours

    def _in_home(self, name: str) -> str:
        separator = "\\" if self._spec.system is System.WINDOWS else "/"
        return f"{self._spec.home}{separator}{name}"


def _packaged(spec: Spec, ground: Ground) -> str | None:
    if spec.system is not System.LINUX or spec.mode is not Mode.SERVICE:
        return None
    return ground.read(systemd.PACKAGED_UNIT)
