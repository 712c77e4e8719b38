"""One pasted line on a bare machine: the bundles of this hub, and the scripts that bring them in (`packaging.md` §2).

building.py   makes the bundle of this machine's kind from what the hub itself runs on; a process of its own
bundles.py    which bundles lie in DATA/bundles, newest of each kind, with their digests
scripts.py    fills the scripts: what is put into them is checked, then quoted; pure
routes.py     /install.sh, /install.ps1, /install/bundle/NAME
"""
