"""All checks of the project, by one command: `python -m tests.check`."""
