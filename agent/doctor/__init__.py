"""`botyard-agent doctor`: is this machine fit to be a runner? Tried by doing (`packaging.md` §2).

    look/      gathers facts by ports: writes the home, reaches the hub, runs Python and uv, asks the desktop
    checks/    one check a file: its facts, and a pure judgement of them
    examine    all of it in order      fixing   what `--fix` does      command   the command line

What this machine has no way to know is told as unknown, never as fine.
"""
