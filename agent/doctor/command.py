"""`botyard-agent doctor [--fix] [--json]`.

Exit codes: 0 nothing is wrong (there may be warnings and unknowns), 1 something is.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.doctor.examine import examine
from agent.doctor.finding import Finding, Verdict
from agent.doctor.fixing import fix
from agent.doctor.ports import Ports
from agent.errors import EXIT_ASKED

EXIT_WRONG = 1


def run_doctor(home: Path, *, should_fix: bool, as_json: bool) -> int:
    """Look at everything; with `should_fix` mend what is safe to mend, and look again."""
    ports = Ports()
    findings, deeds = asyncio.run(_findings(home, ports, should_fix=should_fix))
    text = as_object(findings, deeds) if as_json else as_lines(findings, deeds)
    sys.stdout.write(text)
    return EXIT_WRONG if any(one.verdict is Verdict.WRONG for one in findings) else EXIT_ASKED


async def _findings(home: Path, ports: Ports, *, should_fix: bool) -> tuple[list[Finding], list[str]]:
    findings = await examine(home, ports)
    if not should_fix or not any(one.mends for one in findings):
        return findings, []
    deeds = await asyncio.to_thread(fix, findings, home, ports.disk)
    return await examine(home, ports), deeds


def as_lines(findings: Sequence[Finding], deeds: Sequence[str]) -> str:
    """One line each: what, how it stands, what was found, what to do."""
    checks, verdicts = max(len(one.check) for one in findings), max(map(len, Verdict))
    lines = [f"fixed: {deed}" for deed in deeds]
    for one in findings:
        remedy = f"  ->  {one.remedy}" if one.remedy else ""
        lines.append(f"{one.check:{checks}}  {one.verdict:{verdicts}}  {one.text}{remedy}")
    if not deeds and any(one.mends for one in findings):
        lines.append("botyard-agent doctor --fix mends a part of that")
    return "\n".join([*lines, ""])


def as_object(findings: Sequence[Finding], deeds: Sequence[str]) -> str:
    """The same as one JSON object."""
    rows = [
        {
            "check": one.check,
            "verdict": one.verdict.value,
            "finding": one.text,
            "remedy": one.remedy,
            "fixable": bool(one.mends),
        }
        for one in findings
    ]
    is_fine = not any(one.verdict is Verdict.WRONG for one in findings)
    return json.dumps({"ok": is_fine, "checks": rows, "fixed": list(deeds)}) + "\n"
