"""`python -m agent`, and the command `botyard-agent`."""

import sys


def main() -> None:
    """Run the command line and leave the process with its code."""
    from agent.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
