"""What a bundle does where it lands: `python3 -I BUNDLE.zip --hub URL …`, as the hub's `install.sh` types it.

wish.py      what was asked for, and where that goes: pure          unpacking.py  the zip becomes `versions/V`, whole
acting.py    the steps, over what may be asked of the machine       command.py    the words of its command line

It runs from inside the zip, by the system's Python, on a machine that has nothing of ours yet: so no module here, and
none that it imports, needs a library. What needs one is asked of the unpacked version, by its own command line.
"""
