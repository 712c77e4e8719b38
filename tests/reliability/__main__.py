"""`python -m tests.reliability [--seeds N] [--minutes M] [--only PART]`: the whole campaign, or parts of it."""

import argparse
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.reliability.alive import told
from tests.reliability.part import Options, PartResult
from tests.reliability.parts import PARTS, Named
from tests.reliability.report import Report, markdown, plain, summary
from tests.reliability.requirements import proofs, table

_EXAMPLES = """
examples:
  python -m tests.reliability                                  all of it, by the figures that the project promises
  python -m tests.reliability --minutes 60 --report report.md  what fits into an hour
  python -m tests.reliability --only kills-hub --seeds 20      twenty kills of the hub
  python -m tests.reliability --only table                     which requirement has which test

Exit code 0: every promise kept; 1: one was broken, or something was not begun in time; 2: wrong usage.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print and write the report, and return the exit code."""
    options = _parser().parse_args(arguments)
    chosen = [part for part in PARTS if not options.only or part.name in options.only]
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="botyard-")))
        folder.mkdir(parents=True, exist_ok=True)
        report = _campaign(chosen, options, folder, began)
        _write(report, options)
        if not report.is_good and options.folder is None:
            stack.pop_all()  # what failed is to be looked at
            print(f"histories and logs are in {folder}")
    return 0 if report.is_good else 1


def _campaign(chosen: Sequence[Named], options: argparse.Namespace, folder: Path, began: float) -> Report:
    end = began + options.minutes * 60 if options.minutes else float("inf")
    results: list[PartResult] = []
    not_begun: list[str] = []
    for index, part in enumerate(chosen):
        left_s, weights = end - time.monotonic(), [each.weight for each in chosen[index:]]
        if left_s <= 0:
            not_begun.append(part.name)
            continue
        share_s = left_s if part is chosen[-1] else left_s * part.weight / sum(weights)
        print(f"begin  {part.name}: {part.about}", flush=True)
        with told(part.name, lambda line: print(f"       {line}", flush=True)) as say:
            deadline = time.monotonic() + share_s
            given = Options(folder=folder, tries=options.seeds, seed=options.seed, deadline=deadline, say=say)
            results.append(_result(part, given))
        print(summary(results[-1]), flush=True)
    took_s = time.monotonic() - began
    return Report(seed=options.seed, parts=results, table=table(proofs()), took_s=took_s, not_begun=not_begun)


def _result(part: Named, options: Options) -> PartResult:
    began = time.monotonic()
    try:
        result = part.load()(options)
    except Exception:
        result = PartResult(name=part.name, promise=part.about)
        result.fail("the part itself", traceback.format_exc())
    result.took_s = time.monotonic() - began
    return result


def _write(report: Report, options: argparse.Namespace) -> None:
    text = markdown(report)
    print("\n" + text, flush=True)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    if options.json:
        options.json.write_text(plain(report), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability",
        description="Prove that nothing is lost and nothing happens twice, and write a report of it.",
        epilog=_EXAMPLES + "\nparts:\n" + "".join(f"  {part.name:<14} {part.about}\n" for part in PARTS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seeds", type=_count, metavar="N", help="seeds, kills, points or cuts of each part; else the promised figures"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the first seed; the same makes the same choices"
    )
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="begin nothing new after M minutes")
    parser.add_argument(
        "--only", action="append", metavar="PART", choices=[part.name for part in PARTS], help="only this; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as Markdown too")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep histories, logs and data there")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number above 0")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: give minutes above 0")
    return minutes


if __name__ == "__main__":
    sys.exit(main())
