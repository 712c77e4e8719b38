"""A machine of one's own for a test: the files of this one below an overlay, a real systemd, no network but loopback.

It is up in three or four seconds and costs memory only for what is written. Nothing of it reaches the host's files; its
processes, mounts and folders are gone when the block ends (`packaging.md` §9.3).
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.waiting import eventually_sync, seconds

_UP = {"running", "degraded"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_QUIET = ("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "dpkg-db-backup.timer", "e2scrub_all.timer")
Done = subprocess.CompletedProcess[str]


@cache
def why_not() -> str | None:
    """Why no machine can be booted here; None where it can."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    if not all(map(shutil.which, ("systemd-nspawn", "dpkg-deb", "nsenter"))):
        return "systemd-nspawn or dpkg-deb is not installed"
    probe = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/m && mount -t overlay none "
    probe += "-o lowerdir=/usr,upperdir=/mnt/u,workdir=/mnt/w /mnt/m && ip link set lo up || exec false"
    tried = subprocess.run(["unshare", "-m", "-n", "sh", "-c", probe], capture_output=True, check=False)
    return "no machine can be booted here: no overlay or network namespace" if tried.returncode else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A booted machine. `root` is its file system as the host sees it; its /tmp and /run are its own."""

    root: Path
    leader: int

    def run(
        self,
        *argv: str,
        check: bool = True,
        user: str | None = None,
        stdin: str | None = None,
        timeout: float = 180,
    ) -> Done:
        """Run a command to its end there; its outputs as text, one after the other in `stdout`. Raises AssertionError.

        `stdin` None is the end of file. `timeout` is test units.
        """
        done = subprocess.run(
            [*self.command(*argv, user=user)],
            input=stdin or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds(timeout),
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}"
        return done

    def shell(self, script: str, *, check: bool = True, stdin: str | None = None) -> str:
        """Run a line of shell as root; what it printed."""
        return self.run("sh", "-c", script, check=check, stdin=stdin).stdout

    def command(self, *argv: str, user: str | None = None) -> Sequence[str]:
        """The host's command line that runs one there, as root or as a user."""
        home = "/root" if user is None else f"/home/{user}"
        who = () if user is None else ("runuser", "-u", user, "--")
        clean = ("env", "-i", f"PATH={_PATH}", "LANG=C.UTF-8", f"HOME={home}", "TERM=dumb")
        return (
            "nsenter",
            "-t",
            str(self.leader),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "-r",
            "-w",
            "--",
            *clean,
            *who,
            *argv,
        )

    def put(self, file: Path, folder: str = "/root") -> str:
        """Copy a file of the host there; its path there."""
        shutil.copy(file, self.root / folder.lstrip("/"))
        return f"{folder}/{file.name}"

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file there, not below /tmp or /run."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def kill(self, unit: str, how: signal.Signals) -> int:
        """Send a unit's main process a signal; which one it was."""
        pid = int(self.show(unit, "MainPID"))
        assert pid > 1, f"{unit} has no main process"
        self.run("kill", f"-{how.name.removeprefix('SIG')}", str(pid))
        return pid


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine, its files in `folder`, which is made. Raises AssertionError when it does not come up."""
    with ExitStack() as stack:
        folder.mkdir(parents=True)
        _mount(stack, folder, "-t", "tmpfs", "tmpfs")
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        root = folder / "root"
        layers = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
        _mount(stack, root, "-t", "overlay", "overlay", "-o", layers)
        _strip(root)
        yield Machine(root=root, leader=stack.enter_context(_nspawn(root, folder / "boot.log")))


def _mount(stack: ExitStack, point: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(point)], check=True)
    stack.callback(subprocess.run, ["umount", "-l", str(point)], check=False)


def _strip(root: Path) -> None:
    """Take away what is this machine's own: its id, its timers, an earlier Botyard."""
    (root / "etc/machine-id").write_text("")
    for unit in _QUIET:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for path in ("etc/botyard-agent", "etc/botyard-hub", "opt/botyard-agent", "opt/botyard-hub"):
        shutil.rmtree(root / path, ignore_errors=True)


@contextmanager
def _nspawn(root: Path, log: Path) -> Iterator[int]:
    words = ["--register=no", "--keep-unit", "--quiet", "--private-network", "--boot", "--console=pipe"]
    words += [f"--directory={root}", f"--machine=botyard-{os.getpid()}"]
    group = _own_group()
    enter = f"echo $$ >{group}/cgroup.procs; exec " if group else "exec "
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["sh", "-c", f'{enter}systemd-nspawn "$@"', "sh", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
    try:
        leader = eventually_sync(lambda: _up(process, log), within=120, saying=f"the machine is up, see {log}")
        yield leader
        subprocess.run([*_enter(leader), "systemctl", "poweroff", "--force"], capture_output=True, check=False)
        process.wait(seconds(30))
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()
        if group:
            _remove_group(group)


def _own_group() -> Path | None:
    """A control group of version 2 for one machine: two in the same one would count and kill each other's processes."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    found = [Path(words[1]) for words in mounts if words[2] == "cgroup2"]
    if not found:
        return None
    group = found[0] / f"botyard-machine-{os.getpid()}"
    try:
        group.mkdir(exist_ok=True)
    except OSError:
        return None
    return group


def _remove_group(group: Path) -> None:
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        group.rmdir()


def _up(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The process id of its first process, as the host counts, when it is up; 0 before."""
    if process.poll() is not None:
        raise RuntimeError(f"systemd-nspawn ended with {process.returncode}: {log.read_text(errors='replace')}")
    # It has another child for a moment first.
    for leader in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        asked = [*_enter(int(leader)), "systemctl", "is-system-running"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() in _UP:
            return int(leader)
    return 0


def _enter(leader: int) -> Sequence[str]:
    return ("nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--")
