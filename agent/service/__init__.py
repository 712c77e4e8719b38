"""`botyard-agent service`: the runner as a service of systemd, launchd or the Task Scheduler (`packaging.md` §2 to §6).

spec.py      what is to be installed: pure data          here.py      what this machine says of itself
systemd.py launchd.py windows_task.py windows_service.py texts of files and command lines, pure
acting.py    install, uninstall, start, stop, state      ground.py    the port that touches the machine
scm_windows.py  tells the service manager of Windows      host_windows.py  is the service there
"""
