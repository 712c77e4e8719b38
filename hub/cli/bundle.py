"""What goes into a support bundle: from the hub as long as it answers, from its data folder in any case.

Every text passes `Masks` on its way in. A part that can't be had is named in `missing`, and the rest goes on.
"""

import itertools
import json
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import platformdirs

from agent.ports.clock import SystemClock
from hub.cli.bundle_masks import Masks, without_values
from hub.cli.client import Client, segment
from hub.cli.failing import Failure
from hub.cli.profile import load_profile

EVENTS = 500
FAILED = 20
LINES = 100
LOG_BYTES = 2 * 1024 * 1024
OUTCOMES = ("failed", "lost", "refused", "timed_out")
_PACKAGES = ("botyard", "aiohttp", "websockets", "pydantic", "sqlalchemy", "typer", "uvloop", "uv", "cryptography")


@dataclass(slots=True)
class Bundle:
    """Parts by name, and what could not be had."""

    masks: Masks = field(default_factory=Masks)
    parts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def put(self, name: str, make: Callable[[], Any]) -> Any:
        """Add what `make` returns, text or JSON; what it returned, None where it failed."""
        try:
            made = make()
        except (Failure, OSError, ValueError, KeyError) as error:
            why = error.message if isinstance(error, Failure) else str(error) or type(error).__name__
            self.missing.append(self.masks.text(f"{name}: {why}"))
            return None
        text = made if isinstance(made, str) else json.dumps(made, indent=2, ensure_ascii=False, default=str)
        self.parts[name] = text
        return made

    def write(self, out: BinaryIO) -> None:
        """Write the zip; all secrets that were met on the way are taken out of all parts."""
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in sorted(self.parts.items()):
                archive.writestr(name, self.masks.text(text))
            archive.writestr("missing.txt", self.masks.text("".join(f"{line}\n" for line in self.missing)))


def collect(data: Path | None) -> Bundle:
    """Everything that can be had now; `data` None looks at the usual places."""
    bundle = Bundle()
    bundle.put("versions.json", _versions)
    bundle.put("settings.json", lambda: _settings(bundle))
    if bundle.put("profile.json", lambda: {"url": _profile(bundle).url}) is not None:
        client = Client(load_profile(), timeout_s=10.0)
        if bundle.put("hub/health.json", lambda: _health(client)) is not None:
            _from_hub(bundle, client)
    for folder in _folders(data):
        from hub.cli.bundle_data import from_folder

        from_folder(bundle, folder)
    return bundle


def _profile(bundle: Bundle) -> Any:
    profile = load_profile()
    bundle.masks.add([profile.token])
    return profile


def _versions() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    from hub.storage.migrations import HEAD

    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return {
        "made_at": SystemClock().now().isoformat(),
        "packages": found,
        "migration": HEAD,
        "python": sys.version,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
    }


def _settings(bundle: Bundle) -> dict[str, Any]:
    database = os.environ.get("BOTYARD_HUB_DATABASE", "")
    bundle.masks.add([urlsplit(database).password])
    return {"environment": bundle.masks.environment(os.environ), "command": sys.argv[:1]}


def _health(client: Client) -> dict[str, Any]:
    return {page: client.page(page) for page in ("/healthz", "/readyz", "/metrics")}


def _from_hub(bundle: Bundle, client: Client) -> None:
    """What the API tells; each part by itself, because a role may not see all of it."""
    bundle.put("hub/me.json", lambda: client.get("/me"))
    bundle.put("hub/bots.json", lambda: list(client.all("/bots", {"limit": 200})))
    bundle.put("hub/automations.json", lambda: [_automation(one) for one in client.all("/automations", {"limit": 200})])
    runners = bundle.put("hub/runners.json", lambda: list(client.all("/runners", {"limit": 200}))) or []
    for one in runners[:50]:
        bundle.put(f"hub/runners/{one['id']}.json", partial(client.get, f"/runners/{one['id']}"))
    bundle.put("hub/events.jsonl", lambda: _events(client))
    failed = bundle.put("hub/failed.json", lambda: _failed(client)) or []
    for task in failed:
        name = f"hub/failed/{task['number']}.{task['round']}"
        bundle.put(f"{name}.json", partial(_story, client, task["id"]))
        bundle.put(f"{name}.txt", partial(_end, client, task["id"]))


def _automation(one: dict[str, Any]) -> dict[str, Any]:
    """An automation without the defaults of its parameters."""
    return {**one, "parameters": [{**declared, "default": None} for declared in one["parameters"]]}


def _events(client: Client) -> str:
    page = client.get("/events", {"newest": True, "limit": EVENTS})
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in page["items"])


def _failed(client: Client) -> list[dict[str, Any]]:
    """The newest tasks that did not succeed."""
    pages = [client.get("/tasks", {"outcome": outcome, "limit": FAILED})["items"] for outcome in OUTCOMES]
    newest = sorted(itertools.chain(*pages), key=lambda task: str(task["created_at"]), reverse=True)
    return [without_values(task) for task in newest[:FAILED]]


def _story(client: Client, task_id: str) -> dict[str, Any]:
    path = f"/tasks/{segment(task_id)}"
    return {
        "task": without_values(client.get(path)),
        "executions": client.get(f"{path}/executions")["items"],
        "timeline": client.get(f"{path}/timeline")["items"],
    }


def _end(client: Client, task_id: str) -> str:
    """The last lines of its output, which the runner masked when they were written."""
    page = client.get(f"/tasks/{segment(task_id)}/output", {"from": -LINES, "limit": LINES})
    return "".join(f"{line['at']} {line['stream']} {line['text'][:4000]}\n" for line in page["lines"])


def _folders(data: Path | None) -> list[Path]:
    """Data folders of hubs on this machine; one of `botyard up` has the hub's inside."""
    usual = [
        Path(os.environ["BOTYARD_HUB_DATA"]) if os.environ.get("BOTYARD_HUB_DATA") else None,
        platformdirs.user_data_path("botyard-hub", appauthor=False),
        platformdirs.user_data_path("botyard", appauthor=False) / "hub",
    ]
    wanted = [data / "hub" if (data / "hub").is_dir() else data] if data is not None else usual
    return [folder for folder in wanted if folder is not None and folder.is_dir()]


def tail(file: Path, limit: int = LOG_BYTES) -> str:
    """The end of a log, from the beginning of a line."""
    with file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - limit))
        raw = log.read(limit)
    return raw.decode(errors="replace") if size <= limit else raw.partition(b"\n")[2].decode(errors="replace")


def free_bytes(folder: Path) -> dict[str, int]:
    """How full the disk is."""
    usage = shutil.disk_usage(folder)
    return {"total_bytes": usage.total, "free_bytes": usage.free}
