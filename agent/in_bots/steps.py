"""Runs commands one after the other, then becomes the last: a robot's ``preRunScripts`` before its task.

Started by the runner's own Python with nothing but the standard library, in the bot's folder and with its variables.
The first command that fails ends the run with its exit code. Started as
``python -I steps.py '[["first", "word"], ["the", "task"]]'``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

NOT_FOUND = 127
SIGNALED = 128


def main(words: list[str]) -> int:
    """Run the steps; does not return where the last can take this process' place."""
    *steps, task = json.loads(words[0])
    for step in steps:
        print(f"preRunScripts: {' '.join(step)}", file=sys.stderr, flush=True)
        code = run(step)
        if code != 0:
            print(f"preRunScripts: {' '.join(step)} ended with {code}", file=sys.stderr, flush=True)
            return code
    if sys.platform != "win32":
        os.execvpe(task[0], task, os.environ)
    return run(task)


def run(command: list[str]) -> int:
    """Run one to its end; its exit code, as a shell gives it."""
    own = Path.cwd() / command[0]
    program = str(own) if own.is_file() else shutil.which(command[0])
    if program is None:
        print(f"there is no {command[0]} on the PATH", file=sys.stderr)
        return NOT_FOUND
    try:
        code = subprocess.run([program, *command[1:]], check=False).returncode
    except OSError as error:
        print(f"{command[0]} can't be started: {error}", file=sys.stderr)
        return NOT_FOUND
    return code if code >= 0 else SIGNALED - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
