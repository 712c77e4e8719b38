r"""What the service manager of Windows starts: python.exe itself, with the image path of the definition.

    python -I -m agent.service.host_windows --home DIR --user NAME

Its first words stand in `HOME\logs\service.log` before anything is imported that could fail: of a process that ends
too early the service manager says 1053, whatever the reason.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path


def main() -> None:
    """Say who it is, then be the service."""
    parser = argparse.ArgumentParser(prog="agent.service.host_windows")
    parser.add_argument("--home", required=True)
    parser.add_argument("--user", required=True)
    options = parser.parse_args()
    logs = Path(options.home, "logs")
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "service.log").open("w", encoding="utf-8") as first:
        first.write(f"process {os.getpid()}: {sys.executable} {sys.argv}\n")
        first.flush()
        try:
            if sys.platform == "win32":
                from agent.service.service_windows import host

                host(options)
        except BaseException:
            first.write(traceback.format_exc())
            raise


if __name__ == "__main__":
    main()
