"""The closed lists of words that hub, runner, database, API and log share (`design.md` §1).

A new word is added in the design first. Values are what stands on the wire and in the database.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """How a finished task ended; nothing else is an outcome."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why an outcome is what it is; tells the bot's own failure from the machine's."""

    EXIT_CODE = "exit_code"
    NO_REPORT = "no_report"
    SIGNAL = "signal"
    OOM_KILLED = "oom_killed"
    SUPERVISOR_LOST = "supervisor_lost"
    HOST_RESTARTED = "host_restarted"
    ENVIRONMENT = "environment"
    BUILD_GONE = "build_gone"
    NO_PROGRESS = "no_progress"
    KILLED = "killed"
    UNCONFIRMED = "unconfirmed"
    PREREQUISITE = "prerequisite"
    LIMIT = "limit"
    LINK_LOST = "link_lost"
    EXIT_UNSEEN = "exit_unseen"


class TaskState(StrEnum):
    """A task waits for its time, then for a runner, runs, and is finished for ever."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"


class ExecutionState(StrEnum):
    """One attempt of a task on one runner (`core.md` §1); ``void`` never started and is not an attempt."""

    GRANTED = "granted"
    RUNNING = "running"
    ENDING = "ending"
    FINISHED = "finished"
    VOID = "void"


class BuildState(StrEnum):
    """Life of a build from upload to use (`design.md` §1)."""

    RECEIVED = "received"
    RESOLVING = "resolving"
    READY = "ready"
    REJECTED = "rejected"


class PreparationState(StrEnum):
    """How far a build has come on one runner (`core.md` §1)."""

    WANTED = "wanted"
    FETCHING = "fetching"
    INSTALLING = "installing"
    PREPARED = "prepared"
    FAILED = "failed"


class Kind(StrEnum):
    """What a package is; decides how its process is started (`bot-packages.md` §2)."""

    ROBOCORP = "robocorp"
    BOTCITY = "botcity"
    PROJECT = "project"
    """A Python project: ``pyproject.toml`` with ``[project]``, locked or not."""
    ROBOT = "robot"
    """A Robot Framework suite."""
    SCRIPT = "script"
    """A Python script that carries its own requirements (PEP 723)."""
    PYTHON = "python"
    NODE = "node"
    JAVA = "java"
    POWERSHELL = "powershell"
    BATCH = "batch"
    SHELL = "shell"
    EXECUTABLE = "executable"


class ReportStatus(StrEnum):
    """The final status that a bot itself may report."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"


class ReportPolicy(StrEnum):
    """Whether exit code 0 without a report is a success (`design.md` §5)."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class OnDisconnect(StrEnum):
    """What a bot does when its runner's link is gone for long (`reliability.md` G3)."""

    KEEP = "keep"
    STOP = "stop"


class DesktopNeed(StrEnum):
    """What a bot wants of a desktop."""

    ANY = "any"
    """Nothing was said: it runs with or without, and gets what its slot has."""
    NONE = "none"
    """It runs in the background, headless, and gets none."""
    REQUIRED = "required"
    """It gets one alone that has no fault when it starts, or waits."""


class StopCause(StrEnum):
    """Who wanted the bot to end before it ended by itself; the first durable one counts (`core.md` §4)."""

    CANCEL = "cancel"
    KILL = "kill"
    TIMEOUT = "timeout"
    NO_PROGRESS = "no_progress"
    DEAD_MAN = "dead_man"
    SHUTDOWN = "shutdown"
    UP_ENDED = "up_ended"
    REVOKED = "revoked"
    LIMIT = "limit"
    SUPERSEDED = "superseded"


class VoidReason(StrEnum):
    """Why an order was never started (`core.md` D1, D6, D7)."""

    STALE = "stale"
    CANCELED = "canceled"
    UNFIT = "unfit"
    BUILD_GONE = "build_gone"
    NO_SLOT = "no_slot"
    SHIM_GONE = "shim_gone"
    DAEMON_RESTARTED = "daemon_restarted"
    UNKNOWN = "unknown"
    OLD_FENCE = "old_fence"


class ExitKind(StrEnum):
    """How the main process of a bot ended, as its shim saw it."""

    NORMAL = "normal"
    SIGNAL = "signal"
    OOM_KILLED = "oom_killed"
    EXEC_FAILED = "exec_failed"
    SUPERVISOR_LOST = "supervisor_lost"
    HOST_RESTARTED = "host_restarted"


class GapReason(StrEnum):
    """Why bytes of an output are missing (`core.md` §3); nothing is lost without one of these."""

    DISK = "disk"
    CAP = "cap"
    DELETED = "deleted"
    TAIL_UNKNOWN = "tail_unknown"
    WRITER_LEFT = "writer_left"
    DAMAGED = "damaged"


class AnnotationLevel(StrEnum):
    """How much a line that a bot singled out matters (`bot-packages.md` §7)."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class OutputState(StrEnum):
    """What is known of an output's completeness; told apart from the outcome (`reliability.md` G4)."""

    NONE = "none"
    ARRIVING = "arriving"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    DAMAGED = "damaged"
