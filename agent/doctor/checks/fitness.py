"""Memory and applications, judged by the daemon's own rules (`agent/fitness/judge.py`)."""

from agent.doctor.finding import Finding, fine, unknown, warning, wrong
from agent.fitness.facts import MachineFacts, Wanted
from agent.fitness.judge import faults_of_machine
from agent.wire.condition import FaultCode

MEMORY, APPLICATIONS = "memory", "applications"
_MIB = 1024 * 1024


def judge_memory(facts: MachineFacts, wanted: Wanted) -> Finding:
    """Too little of it keeps all work away."""
    if facts.memory_bytes is None:
        return unknown(MEMORY, "the system does not tell how much is left")
    for fault in faults_of_machine(facts, wanted):
        if fault.code is FaultCode.LOW_MEMORY:
            return wrong(MEMORY, fault.message, fault.remedy)
    return fine(MEMORY, f"{facts.memory_bytes // _MIB} MiB left")


def judge_applications(facts: MachineFacts, wanted: Wanted) -> Finding:
    """What the administrator named must be there; a browser need not, unless bots want one."""
    faults = faults_of_machine(facts, wanted)
    missing = [fault for fault in faults if fault.code is FaultCode.APPLICATION_MISSING]
    if missing:
        return wrong(APPLICATIONS, "; ".join(fault.message for fault in missing), missing[0].remedy)
    for fault in faults:
        if fault.code is FaultCode.NO_BROWSER:
            return warning(APPLICATIONS, fault.message, fault.remedy)
    return fine(APPLICATIONS, ", ".join(sorted(facts.found)))
