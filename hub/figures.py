"""``/metrics``: how much a hub does, for monitors. Imported when it is first asked for: its library takes a while."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub.context import Hub
from hub.runners import Sessions
from hub.tls import Certificates


class Figures(Collector):
    """Figures that are read when they are asked for."""

    def __init__(self, hub: Hub, sessions: Sessions, tls: Certificates | None) -> None:
        self._hub = hub
        self._sessions = sessions
        self._tls = tls

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them now."""
        live = self._sessions.all()
        offers = [self._hub.book.offers(workspace) for workspace in {session.workspace_id for session in live}]
        free = sum(offer.free for by_runner in offers for offer in by_runner.values())
        waiting = len(self._hub.signals.expected_outputs)
        yield GaugeMetricFamily("botyard_runner_sessions", "Runners connected to this hub.", value=len(live))
        yield GaugeMetricFamily("botyard_slots_free", "Slot credits that could be given out now.", value=free)
        yield GaugeMetricFamily("botyard_outputs_awaited", "Ended executions whose output is awaited.", value=waiting)
        full = float(self._hub.room.is_full)
        yield GaugeMetricFamily("botyard_read_only", "1 while the disk is full and nothing new is taken.", value=full)
        if self._tls is not None:
            ends = self._tls.pair.not_after.timestamp()
            yield GaugeMetricFamily("botyard_tls_not_after_seconds", "When the certificate ends.", value=ends)


def exposition(figures: Figures) -> bytes:
    """All of them, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    return generate_latest(registry)
