"""What a package is and how it is started, told from its file list and a few small files (bot-packages.md §2).

`hub.domain.kinds` is the table. First match from the top wins, a named kind or entry wins over it, and between two
candidates of one kind is never guessed: whoever deploys is told which there are, and the option that chooses.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from agent.wire.task import Launch
from hub.domain.kinds import EXECUTABLE, RULES
from hub.domain.kinds.package import (
    TEXT_MAX_BYTES,
    Package,
    PackageError,
    Plan,
    Rule,
    bytes_needed,
    package_of,
    project_table,
)
from hub.domain.package_options import FILE_NAME, OptionError, PackageOptions, read_file
from hub.domain.python_versions import PythonChoice
from hub.domain.requirements import LockFile, RequirementError, Requirements

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_.-]*\}")
_NAMED_MAX = 20

__all__ = [
    "Package",
    "PackageError",
    "Recognised",
    "bytes_needed",
    "package_of",
    "project_table",
    "recognise",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """How to start the package, and what has to be resolved before (None: no packages)."""

    launch: Launch
    python: PythonChoice | None
    requirements: Requirements | LockFile | None
    needs: Mapping[str, str]


def recognise(package: Package, options: PackageOptions) -> Recognised:
    """Decide how this package is started. Raises PackageError (with what was looked for) when it can't be told."""
    try:
        return _recognise(package, _all_options(package, options))
    except OptionError as error:
        raise PackageError("bad_option", str(error)) from None
    except RequirementError as error:
        raise PackageError("bad_requirements", str(error)) from None


def _all_options(package: Package, options: PackageOptions) -> PackageOptions:
    if not package.has(FILE_NAME):
        return options
    text = package.text(FILE_NAME)
    if text is None:
        raise OptionError(f"{FILE_NAME} is longer than {TEXT_MAX_BYTES} bytes")
    return options.over(read_file(text))


def _recognise(package: Package, options: PackageOptions) -> Recognised:
    rule, entry = _rule_and_entry(package, options)
    plan = rule.plan(package, entry, options)
    return Recognised(
        launch=_launch(rule, plan, options),
        python=plan.python,
        requirements=plan.requirements,
        needs=options.needs or {},
    )


def _launch(rule: Rule, plan: Plan, options: PackageOptions) -> Launch:
    return Launch(
        kind=rule.kind,
        entry=plan.entry,
        start=plan.start,
        args=_checked_template(options.args, "args"),
        command=_checked_template(options.command, "command") or plan.command,
        python=plan.python.request if plan.python else "",
        report=options.report or plan.report,
        artifacts=options.artifacts or plan.artifacts,
        lines=options.lines is not False,
        install=plan.install,
        path=plan.path,
        python_path=plan.python_path,
        before=plan.before,
        needs=plan.needs,
    )


def _rule_and_entry(package: Package, options: PackageOptions) -> tuple[Rule, str]:
    rules = [rule for rule in RULES if options.kind in {None, rule.kind}]
    if options.entry is not None:
        return _named(package, options.entry, rules)
    if options.command is not None and options.kind in {None, EXECUTABLE.kind}:
        # A command line of one's own needs no entry: it is BotCity's "COMMAND" technology (maestro.md §5).
        return EXECUTABLE, ""
    for rule in rules:
        candidates = rule.candidates(package)
        if candidates is not None:
            return rule, _only(rule, candidates, may_lack=options.command is not None)
    looked_for = tuple(rule.looked_for for rule in rules)
    raise PackageError(
        "unknown_package",
        "nothing in this package says how to start it; looked for: "
        + "; ".join(looked_for)
        + ". Name the file to start with --entry, or put a botyard.toml with `entry` into the package",
        looked_for,
    )


def _named(package: Package, entry: str, rules: list[Rule]) -> tuple[Rule, str]:
    """The row that starts an entry which somebody named. Raises PackageError when there is no such entry."""
    for rule in rules:
        if len(rules) == 1 or rule.runs(package, entry):
            found = rule.find(package, entry)
            if found is not None:
                return rule, found
    near = sorted(path for path in package.executable if "/" not in path)
    others = [(rule, rule.candidates(package) or ()) for rule in rules if rule.entries != "files"]
    listed = [f"at its root are: {', '.join(near[:_NAMED_MAX])}"]
    listed += [f"its {rule.entries}: {', '.join(found[:_NAMED_MAX])}" for rule, found in others if found]
    raise PackageError("no_such_entry", f"entry {entry} is not in the package; {'; '.join(listed)}")


def _only(rule: Rule, candidates: tuple[str, ...], *, may_lack: bool) -> str:
    if len(candidates) == 1:
        return candidates[0]
    if may_lack:
        return ""
    if candidates:
        listed = ", ".join(candidates[:_NAMED_MAX])
        example = shlex.quote(candidates[0])
        raise PackageError(
            "ambiguous_entry",
            f"several {rule.entries} could be the start of this {rule.kind} package: {listed}; "
            f"name one with --entry, such as --entry {example}",
        )
    raise PackageError(
        "no_entry",
        f"this is a {rule.kind} package, but nothing in it is its start ({rule.looked_for}); name one with --entry",
        (rule.looked_for,),
    )


def _checked_template(template: tuple[str, ...] | None, where: str) -> tuple[str, ...]:
    for word in template or ():
        if "{" in _PLACEHOLDER.sub("", word):
            raise OptionError(f"{where}: {word!r} has a brace that names no parameter; write {{{{ for a brace itself")
    return template or ()
