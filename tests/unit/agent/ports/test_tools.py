"""Tools run to their end: output, time limit, nothing left behind."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from agent.ports.tools import OUTPUT_KEPT_BYTES, ToolCommand, run_tool
from agent.ports.uv import config_arguments, index_settings, short_complaint, uv_environment
from tests.support.waiting import eventually


def script(text: str, tmp_path: Path, timeout_s: float = 20.0) -> ToolCommand:
    """A tool that runs this Python text."""
    return ToolCommand(argv=(sys.executable, "-I", "-c", text), env={"A": "1"}, cwd=tmp_path, timeout_s=timeout_s)


async def test_a_tool_is_run_to_its_end(tmp_path: Path) -> None:
    lines: list[str] = []
    text = "import os, sys; print(os.getcwd(), os.environ['A'], flush=True); print('bad', file=sys.stderr); sys.exit(3)"

    result = await run_tool(script(text, tmp_path), lines.append)

    assert 3 == result.exit_code
    assert [f"{tmp_path} 1", "bad"] == lines == result.output.splitlines()


async def test_a_long_output_keeps_its_end(tmp_path: Path) -> None:
    result = await run_tool(script("print('x' * 200_000 + 'END')", tmp_path))

    assert OUTPUT_KEPT_BYTES >= len(result.output)
    assert result.output.endswith("END")


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_tool_that_hangs_is_killed_with_its_children(tmp_path: Path, how: str) -> None:
    text = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid) + '\\n'); time.sleep(60)"
    )
    running = asyncio.ensure_future(run_tool(script(text, tmp_path, timeout_s=1.5 if how == "timeout" else 60)))
    pid_file = tmp_path / "pid"
    child = await eventually(lambda: pid_file.exists() and pid_file.read_text().strip())
    if how == "timeout":
        assert (await running).exit_code is None
    else:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await eventually(lambda: _is_gone(int(str(child))))


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_nothing_of_ours_reaches_a_tool(tmp_path: Path) -> None:
    """S18, S25: an allow-list; index settings and proxies pass, secrets and settings of ours do not."""
    source = {
        "PATH": os.defpath, "BOTYARD_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "x", "HOME": "/root",
        "UV_DEFAULT_INDEX": "https://mirror", "UV_INDEX_CORP_PASSWORD": "p", "https_proxy": "http://p",
        "DATABASE_URL": "x",
    }  # fmt: skip

    env = uv_environment(tmp_path / "cache", tmp_path / "home", source)

    assert {"PATH", "UV_DEFAULT_INDEX", "UV_INDEX_CORP_PASSWORD", "https_proxy"} <= set(env)
    assert not {"BOTYARD_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "DATABASE_URL"} & set(env)
    assert str(tmp_path / "home") == env["HOME"]
    assert {"UV_DEFAULT_INDEX": "https://mirror"} == index_settings(source)


def test_settings_of_folders_above_are_not_read_unless_they_are_named() -> None:
    assert (("--no-config",), ()) == (config_arguments({}), config_arguments({"UV_CONFIG_FILE": "/etc/uv.toml"}))


def test_a_complaint_is_shortened_to_what_went_wrong() -> None:
    output = "warning: noise\nResolved 3\nerror: No solution\n  cause: Because x\n" + "more\n" * 100

    said = short_complaint(output)

    assert said.startswith("error: No solution\n  cause: Because x")
    assert 12 == len(said.splitlines())
    assert "no message" == short_complaint("\n")
