"""Hypothesis profiles: `campaign` takes its number of examples from the part `fuzz` (`python -m tests.reliability`)."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "campaign",
    max_examples=int(os.environ.get("BOTYARD_FUZZ_EXAMPLES", "2000")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
