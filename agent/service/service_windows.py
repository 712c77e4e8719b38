# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""The service of Windows as its manager calls it: turns controls into the daemon's stop, and nothing else.

asyncio's loop runs in SvcDoRun, which is not Python's main thread: so no signals; controls come on the main thread.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable

assert sys.platform == "win32"  # for the type checker

import servicemanager
import win32service
import win32serviceutil

from agent.errors import EXIT_TRY_AGAIN, AgentError
from agent.service.spec import NAME
from agent.service.windows_service import DISPLAY_NAME, PRESHUTDOWN_S, reported

log = logging.getLogger(__name__)
_CONTROL_PRESHUTDOWN, _CONTROL_SESSIONCHANGE = 0x0F, 0x0E
_ACCEPT_PRESHUTDOWN, _ACCEPT_SESSIONCHANGE = 0x100, 0x80
_START_MS, _STOP_MS = 60_000, PRESHUTDOWN_S * 1000


class AgentService(win32serviceutil.ServiceFramework):
    """What the service manager calls. Its controls come on another thread than the loop's."""

    _svc_name_ = NAME
    _svc_display_name_ = DISPLAY_NAME
    options: argparse.Namespace

    def __init__(self, words: list[str]) -> None:
        super().__init__(words)
        self._ask: Callable[[], object] | None = None
        self._is_stopped = False

    def GetAcceptedControls(self) -> int:  # noqa: N802
        """Stop and shutdown by their methods; these by `SvcOtherEx`."""
        usual: int = super().GetAcceptedControls()  # type: ignore[no-untyped-call]
        return usual | _ACCEPT_PRESHUTDOWN | _ACCEPT_SESSIONCHANGE

    def SvcRun(self) -> None:  # noqa: N802
        """Running is told when the executions are adopted (`running`), the end with its exit code."""
        self.ReportServiceStatus(win32service.SERVICE_START_PENDING, waitHint=_START_MS)
        self.end(self.SvcDoRun())

    def SvcDoRun(self) -> int:  # noqa: N802
        """Live as the daemon; return its exit code."""
        try:
            # Now, not before: the service manager waits some seconds for a process to come, not for its libraries.
            from agent.service.doors_windows import live

            return live(self.options, self)
        except AgentError as error:
            log.error("%s", error)  # noqa: TRY400
            servicemanager.LogErrorMsg(str(error))
            return error.exit_code
        except BaseException as error:
            log.exception("the daemon has failed")
            servicemanager.LogErrorMsg(f"the daemon has failed: {error!r}")
            return EXIT_TRY_AGAIN

    def hear(self, loop: asyncio.AbstractEventLoop, polite: Callable[[], None]) -> None:
        """From here on a stop reaches the daemon."""
        self._ask = lambda: loop.call_soon_threadsafe(polite)
        if self._is_stopped:
            polite()

    def running(self) -> None:
        """Bots and people can come."""
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)
        servicemanager.LogInfoMsg("started")

    def end(self, code: int) -> None:
        """Tell the end and be gone: a process that ends without a word is started again."""
        ended = reported(code)
        servicemanager.LogInfoMsg(f"ended with {code}{'' if ended.is_restarted or not code else ', not restarted'}")
        logging.shutdown()
        self.ReportServiceStatus(win32service.SERVICE_STOPPED, win32ExitCode=ended.win32, svcExitCode=ended.own)
        os._exit(code)

    def SvcStop(self) -> None:  # noqa: N802
        """No new work, bots live on; also as the machine shuts down."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=_STOP_MS)
        self._is_stopped = True
        if self._ask is not None:
            self._ask()

    SvcShutdown = SvcStop

    def SvcOtherEx(self, control: int, event: int, data: object) -> None:  # noqa: N802
        """Shutdown, told early; a session that came, went, was locked: the next look at the desktop finds it."""
        if control == _CONTROL_PRESHUTDOWN:
            self.SvcStop()
        elif control == _CONTROL_SESSIONCHANGE:
            log.info("session change %d: %s", event, data)


def host(options: argparse.Namespace) -> None:
    """Let the service manager call us; returns when it has let go. Raises pywintypes.error."""
    AgentService.options = options
    servicemanager.Initialize(NAME, servicemanager.__file__)
    servicemanager.PrepareToHostSingle(AgentService)
    servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]
