"""What a team keeps in git, applied to a real hub (issue 5)."""

import json
from pathlib import Path

from tests.support.rig import ROOT, Rig

TEAM = ROOT / "samples" / "team"


async def test_a_whole_folder_is_applied_twice_and_the_second_time_nothing_changes(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        missing = await rig.botyard("apply", "-f", str(TEAM), "--yes", code=2)
        assert f"{TEAM}/automations.yaml:3: bot: There is no bot 'invoices' here." in missing.err.decode()
        await rig.deploy("invoices", {"run.sh": "#!/bin/sh\necho booked\n"}, "--no-automation")
        made = await rig.botyard("apply", "-f", str(TEAM), "--yes")
        assert "done: created 7, changed 0" in made.text
        events = json.loads((await rig.botyard("events", "--json")).text.splitlines()[-1])
        again = await rig.botyard("apply", "-f", str(TEAM), "--yes")
        assert "nothing to change: 7 as they should be\n" == again.text
        assert events == json.loads((await rig.botyard("events", "--json")).text.splitlines()[-1])
        await rig.botyard("export", "-o", str(tmp_path / "team"))
        await rig.botyard("apply", "-f", str(tmp_path / "team"), "--check")
