"""The part `simulator`: worlds by seed (reliability.md T1, T2), each judged by the history checker."""

from collections.abc import Callable

from tests.history.recorder import dumps
from tests.reliability.part import Options, PartResult
from tests.simulation.campaign import run as run_worlds
from tests.simulation.runner import SimRunner
from tests.simulation.world import Outcome

AIM = 1_000
_SAY_EVERY = 25


def run(options: Options) -> PartResult:
    """As many worlds as asked for; the history of one that breaks a rule is kept."""
    promise = (
        "T1, R3, R4, R6, R24, R25, R38, R39, R42, R43, R45: hub, daemons, shims and hosts killed, links cut, deaf, "
        "slow and repeating, clocks wrong, disks full: C1-C6, C8, C11, C12 and D9 hold, the same seed is the same world"
    )
    result = PartResult(name="simulator", promise=promise)
    count = options.count(AIM)
    seeds = range(options.seed, options.seed + count)
    findings = run_worlds(seeds, SimRunner, is_over=options.is_time_up, on_outcome=_teller(options, result, count))
    result.tried["seeds"] = findings.seeds
    result.tried.update(findings.tried)
    result.judged.update(findings.judged)
    pace = findings.seeds / findings.took_s if findings.took_s else 0.0
    result.notes.append(f"{findings.virtual_s / 3600:.0f} virtual hours, {findings.steps} steps, {pace:.1f} seeds/s")
    return result


def _teller(options: Options, result: PartResult, count: int) -> Callable[[Outcome], None]:
    done = 0

    def tell(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if outcome.violations:
            path = options.folder / f"seed-{outcome.seed}.jsonl"
            path.write_text(dumps(outcome.events), encoding="utf-8")
            result.fail(f"seed {outcome.seed}", "\n".join(outcome.violations))
            options.say(f"simulator: seed {outcome.seed} breaks a rule; its history: {path.name}")
        if done % _SAY_EVERY == 0:
            options.say(f"simulator: {done} of {count} seeds, {len(result.failures)} with violations")

    return tell
