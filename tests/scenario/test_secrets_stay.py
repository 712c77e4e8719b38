"""Where a secret parameter may be, and where it is not, on a real hub and a real runner (S10, S11, S15)."""

import json
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

import psutil

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

BOT = """
import base64, json, os, pathlib, sys, time
pin = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["pin"]
print("raw", pin, flush=True)
print("coded", base64.b64encode(pin.encode()).decode(), file=sys.stderr, flush=True)
pathlib.Path(os.environ["BOTYARD_RESULT"]).write_text(json.dumps({"status": "failed", "message": "no " + pin}))
go = pathlib.Path(os.environ["BOTYARD_PARAM_GO"])
print("waiting", flush=True)
while not go.exists():
    time.sleep(0.05)
"""
PARAMETERS = [{"name": "pin", "type": "text", "required": True, "secret": True}, {"name": "go", "type": "text"}]


def everything_told(process: psutil.Process) -> str:
    """Command line and environment of a process, as its owner and root can read them."""
    try:
        return "\n".join([*process.cmdline(), *(f"{key}={value}" for key, value in process.environ().items())])
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""


def processes_that_tell(secret: str) -> list[str]:
    """Every process of the machine in whose arguments or environment the secret stands."""
    return [str(process) for process in psutil.process_iter() if secret in everything_told(process)]


def files_that_hold(folder: Path, secret: str) -> list[str]:
    """Files below `folder` in which the secret stands, raw or as base64."""
    wanted = (secret.encode(), b64encode(secret.encode()))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in files if any(form in path.read_bytes() for form in wanted)]


async def test_a_secret_parameter_reaches_its_bot_and_nobody_else(tmp_path: Path) -> None:
    """S11: "no secret in argv or environment"; S15: what the bot prints of it is masked before it is written."""
    async with Rig(tmp_path) as rig:
        # given a bot that reads its secret, prints it in two forms, and reports it
        await rig.add_runner("desk-1")
        await rig.deploy("keeper", {"main.py": BOT})
        await rig.send("PATCH", "/api/v1/automations/keeper", {"parameters": PARAMETERS})
        pin, go = "pin-" + secrets.token_hex(12), tmp_path / "go"
        asked = {"automation": "keeper", "parameters": {"pin": pin, "go": str(go)}}
        task: Any = await rig.send("POST", "/api/v1/tasks", asked)

        # when it runs
        await rig.printed(task["id"], b"waiting")
        running = await rig.task(task["id"])
        assert bots_alive(running["execution"])

        # then no process tells it; on the runner it is in the execution's own closed folder: what the daemon needs to
        # answer the bot while the hub is away, what the bot reads, what the bot wrote itself; no spool, no output
        assert [] == processes_that_tell(pin)
        execution = rig.home("desk-1") / "executions" / running["execution"]
        assert ["order.json", "parameters.json", "result/result.json"] == files_that_hold(execution, pin)
        assert 3 == len(files_that_hold(tmp_path / "homes", pin))
        closed = (execution, execution / "order.json", execution / "parameters.json")
        assert [0o700, 0o600, 0o600] == [path.stat().st_mode & 0o777 for path in closed]
        assert pin not in json.dumps(running)

        # and when it has ended, its output and its report are there without it
        go.touch()
        finished = await rig.finished(task["id"])
        assert ("failed", "no ***") == (finished["outcome"], finished["message"])
        output = await rig.output(task["id"])
        assert b"raw ***\n" in output
        assert b"coded ***" in output
        assert all(form not in output for form in (pin.encode(), b64encode(pin.encode())[:-4]))
        await eventually(lambda: not execution.exists(), saying="the runner keeps what the hub has")
        assert [] == files_that_hold(tmp_path / "homes", pin)
        assert pin not in json.dumps(await rig.get("/api/v1/events?limit=1000"))
        for log in tmp_path.glob("*.log"):
            assert pin not in log.read_text(), log.name
        # the hub keeps the task's parameters in its database, to run it again; they stand nowhere else
        assert {Path(name).name for name in files_that_hold(rig.data, pin)} <= {"hub.db", "hub.db-wal"}
