"""Random definitions of every kind, as the API's own routes take them; every member comes up."""

import random
from typing import Any

AUTOMATION_PARAMETERS = [
    {"name": "month", "description": "Which one."},
    {"name": "pin", "secret": True},
    {"name": "count", "type": "integer", "default": 3},
]


class Made:
    """What a seed makes: bodies of POST by kind, in an order in which they can be made."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bodies: dict[str, list[dict[str, Any]]] = {
            "calendar": [self.calendar(number) for number in range(3)],
            "resource": [self.resource(number) for number in range(3)],
            "queue": [self.queue(number) for number in range(4)],
            "automation": [self.automation(number) for number in range(3)],
            "trigger": [self.trigger(number) for number in range(10)],
        }

    def calendar(self, number: int) -> dict[str, Any]:
        """A calendar."""
        some = self.some(
            name=self.text(),
            holidays=[{"date": "12-24", "name": self.text()}, {"date": "2026-12-31"}],
            working_days=["2026-12-19"],
            weekend=self.chance.choice([[], ["friday"], ["saturday", "sunday"]]),
        )
        place = self.chance.choice([{}, {"country": "DE"}, {"country": "DE", "subdivision": "BY"}])
        return {"label": f"calendar-{number}", **place, **some}

    def resource(self, number: int) -> dict[str, Any]:
        """A resource; enough of it for every automation."""
        accounts = self.chance.random() < 0.5
        much = {"accounts": [f"a{number}", "b"]} if accounts else {"capacity": 5}
        return {"label": f"resource-{number}", **much, **self.some(name=self.text(), description=self.text())}

    def queue(self, number: int) -> dict[str, Any]:
        """A queue whose items go on to an earlier one."""
        onward = f"queue-{number - 1}" if number else None
        some = self.some(
            name=self.text(),
            description=self.text(),
            fields=[{"name": "number", "required": True}, {"name": "sum", "type": "number", "default": 1.5}],
            payload_schema={"type": "object", "properties": {self.text() or "x": {"minimum": 1}}},
            consumption=self.chance.choice(["fifo", "lifo"]),
            concurrency=self.number(9),
            retry=self.some(attempts=self.number(9), base_s=self.number(99), cap_s=self.number(999)),
            lease_s=self.number(900) + 5,
            expected_s=self.number(900) + 5,
            retention_days=self.number(99),
            success_queue=onward,
            failure_queue=onward,
            unique_references=False,
            stop_after=self.number(9),
            target=self.chance.choice(["sap", None]),
        )
        if "fields" in some:
            some |= self.some(display=["number"], unique=["number", "sum"])
        elif self.chance.random() < 0.5:
            some["unique_references"] = True
        return {"label": f"queue-{number}", **some}

    def automation(self, number: int) -> dict[str, Any]:
        """An automation."""
        cause = self.some(limit=2, base_s=1.5, cap_s=99, route="other_runner", then="stop")
        ladder = self.some(interrupt_after_s=1, terminate_after_s=2.5, kill_after_s=3, survivors_after_s=4)
        live = self.some(
            no_progress_s=60, memory_bytes=2**30, processes=99, cpu_cores=1.5, cpu_seconds=9, disk_bytes=2**30
        )
        limits = live | self.some(open_files=99, file_bytes=99, output_bytes=2**20, ladder=ladder)
        some = self.some(
            name=self.text(),
            description=self.text(),
            needs={"os": "linux", "room": "a"},
            priority=self.number(10),
            report=self.chance.choice(["required", "optional", "default"]),
            on_disconnect=self.chance.choice(["keep", "stop"]),
            lost_after_s=self.number(900) + 120,
            run_limit_s=self.chance.choice([None, 60, 86400]),
            limits=limits,
            retry=self.some(attempts=3, on=["lost", "failed"], causes={"machine": cause, "bot": {}}, stop_after=4),
            state=self.chance.choice(["active", "paused"]),
            concurrency=self.chance.choice([None, 3]),
            concurrency_key=self.chance.choice([None, "parameters.month"]),
            uses=self.chance.choice([{}, {"resource-0": 1, "resource-1": 1}]),
            rate=self.chance.choice([None, {"count": 2}, {"count": 3, "per_s": 9}]),
            applications=self.chance.choice([[], ["browser", "sap-gui"]]),
            failure_screenshot=self.chance.random() < 0.5,
        )
        if self.chance.random() < 0.5:
            some |= {"desktop": "required"} | self.some(desktop_size="1920x1080", record=True)
        return {"label": f"automation-{number}", "bot": "invoices", "parameters": AUTOMATION_PARAMETERS, **some}

    def trigger(self, number: int) -> dict[str, Any]:
        """A trigger of a kind that goes round."""
        common = self.some(off_after=self.number(9), priority=self.number(10))
        definition, some = self.definition(number % 5)
        parameters = self.some(parameters=self.some(month=self.text(), pin="4711-secret", count=7))
        some |= parameters | self.some(name=self.text(), paused=self.chance.random() < 0.5)
        automation = f"automation-{self.chance.randrange(3)}"
        return {"label": f"trigger-{number}", "automation": automation, "definition": {**definition, **common}, **some}

    def definition(self, kind: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """A definition, and what else goes with its kind."""
        overlap = self.some(overlap=self.chance.choice(["allow", "skip", "queue", "cancel"]))
        if kind == 1:
            rule = self.some(threshold=2, items_per_task=3, max_tasks=4)
            return {"kind": "queue", "queue": f"queue-{self.chance.randrange(4)}", **rule}, {}
        if kind == 2:
            mapped = self.some(sign=self.chance.choice(["standard", "token"]), map={"month": "body.m"})
            return {"kind": "webhook", **overlap, **mapped}, {}
        if kind == 3:
            mapped = {"map": {"month": "event.kind"}, "when": "event.kind != ''"}
            until = self.some(automation="automation-0", state=["failed"], **mapped)
            lasting = self.chance.choice([{}, {"for": "10m", "unless": ["task.settled"]}])
            return {"kind": "event", "on": ["task.settled"], **overlap, **until, **lasting}, {}
        if kind == 4:
            found = self.some(pattern="*.csv", recursive=True, stable_s=3, existing="fire", anywhere=True)
            return {"kind": "file", "runner": "desk-1", "folder": "/srv/in", "parameter": "month", **found}, {}
        when = self.chance.choice([{"cron": "30 6 * * MON-FRI"}, {"every": "15m"}, {"phrase": "working days at 06:30"}])
        later = self.some(start="2030-01-01T00:00:00+01:00", end="2040-01-01T00:00:00Z", zone="Europe/Berlin")
        missed = self.some(misfire="all", misfire_window_s=60, misfire_cap=3)
        if "every" in when:
            return {**when, **later, **missed, **overlap, **self.some(anchor="2030-01-01T00:00:00Z")}, {}
        kept = self.some(calendar="calendar-0")
        holiday = self.some(on_holiday=self.chance.choice(["skip", "before", "after"])) if kept else {}
        return {"kind": "schedule", **when, **later, **missed, **overlap, **holiday}, kept

    def some(self, **members: Any) -> dict[str, Any]:
        """Some of these members."""
        return {name: value for name, value in members.items() if self.chance.random() < 0.6}

    def number(self, most: int) -> int:
        """From 1 to `most`."""
        return self.chance.randint(1, most)

    def text(self) -> str:
        """What people, and machines, write."""
        return self.chance.choice(
            ["", "Rechnungen", "yes", "12-24", "two\nlines\n", "a: b # c", "  ü 😀 ", "null", "0x1"]
        )
