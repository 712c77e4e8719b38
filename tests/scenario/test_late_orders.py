"""An order that is late starts once or not at all, while another machine is free (`core.md` §1, R3)."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.holding_proxy import HoldingProxy
from tests.support.rig import Rig
from tests.support.waiting import eventually

WITNESS = """
import json, os, pathlib, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
with open(parameters["witness"], "a") as file:
    file.write(os.environ["BOTYARD_EXECUTION_ID"] + "\\n")
print("started once", flush=True)
"""
LONG = [300.0] if os.environ.get("BOTYARD_TEST_LONG") else []


@pytest.mark.timeout(420)
@pytest.mark.parametrize("held_s", [9.0, 11.0, 29.0, 31.0, *LONG])
async def test_a_start_held_on_its_way_runs_once(tmp_path: Path, held_s: float) -> None:
    """R3: `Start` held in a proxy while a second runner is free: one `started` over both machines, the task succeeds.

    D8: a permit never ends by a clock of the hub; D3: what arrives after 30 s is voided by the shim, then granted anew.
    """
    async with Rig(tmp_path) as rig:
        proxy = HoldingProxy(target=rig.port)
        await proxy.start()
        await rig.add_runner("behind-proxy", url=f"http://127.0.0.1:{proxy.port}")
        await rig.deploy("witness", {"main.py": WITNESS})
        proxy.hold_s = held_s
        witness = tmp_path / "witness"
        task_id = await rig.submit("witness", witness=str(witness))
        await eventually(proxy.held.is_set)
        proxy.hold_s = 0.0
        await rig.add_runner("free")
        finished = await rig.finished(task_id, within=held_s + 90)
        assert finished["outcome"] == "succeeded"
        async with asyncio.timeout(held_s + 30):
            await proxy.released.wait()
        assert len(witness.read_text().splitlines()) == 1
        if held_s < 20:  # the age counts from the credit's stamp, up to a heartbeat (10 s) before the order was sent
            assert finished["runner"] == "behind-proxy"
        await proxy.close()
