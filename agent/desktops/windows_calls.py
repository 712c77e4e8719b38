"""The calls behind `windows.Calls` (user32, kernel32, powrprof). Imported on Windows only."""

import sys
import uuid

if sys.platform == "win32":
    import ctypes
    import os
    from ctypes import wintypes

    _UOI_NAME = 2
    _DESKTOP_READOBJECTS = 0x0001
    _SM_CXSCREEN, _SM_CYSCREEN = 0, 1
    _SUB_SLEEP = uuid.UUID("238c9fa8-0aad-41ed-83f4-97be242c8f20")
    _STANDBY_IDLE = uuid.UUID("29f6c1db-86da-48c5-9fdb-f2b67b1f44da")
    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _power = ctypes.WinDLL("powrprof")
    _user32.OpenInputDesktop.restype = ctypes.c_void_p
    _user32.OpenInputDesktop.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _user32.CloseDesktop.argtypes = (ctypes.c_void_p,)
    _user32.GetUserObjectInformationW.argtypes = (
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD)),
    )
    _wtsapi32 = ctypes.WinDLL("wtsapi32")
    _CURRENT_SESSION, _CONNECT_STATE, _ACTIVE = 0xFFFFFFFF, 8, 0
    _wtsapi32.WTSQuerySessionInformationW.argtypes = (
        *(ctypes.c_void_p, wintypes.DWORD, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(wintypes.DWORD)),
    )
    _wtsapi32.WTSFreeMemory.argtypes = (ctypes.c_void_p,)
    _wtsapi32.WTSFreeMemory.restype = None
    _kernel32.LocalFree.argtypes = (ctypes.c_void_p,)

    class SystemCalls:
        """Those of the machine."""

        def session(self) -> int | None:
            """Number of the session of this process."""
            number = wintypes.DWORD()
            is_told = _kernel32.ProcessIdToSessionId(os.getpid(), ctypes.byref(number))
            return int(number.value) if is_told else None

        def is_connected(self) -> bool | None:
            """Whether a screen shows the session of this process."""
            state, size = ctypes.POINTER(wintypes.DWORD)(), wintypes.DWORD()
            words = (None, _CURRENT_SESSION, _CONNECT_STATE, ctypes.byref(state), ctypes.byref(size))
            if not _wtsapi32.WTSQuerySessionInformationW(*words) or not size.value:
                return None  # Wine
            try:
                return bool(state.contents.value == _ACTIVE)
            finally:
                _wtsapi32.WTSFreeMemory(state)

        def input_desktop(self) -> str | None:
            """Name of the desktop that has the input."""
            desktop = _user32.OpenInputDesktop(0, False, _DESKTOP_READOBJECTS)
            if not desktop:
                return None
            try:
                name, size = ctypes.create_unicode_buffer(256), wintypes.DWORD()
                is_told = _user32.GetUserObjectInformationW(
                    desktop, _UOI_NAME, name, ctypes.sizeof(name), ctypes.byref(size)
                )
                return name.value if is_told else None
            finally:
                _user32.CloseDesktop(desktop)

        def screen(self) -> tuple[int, int, int] | None:
            """Width, height and DPI; the process says first that it wants true pixels."""
            _user32.SetProcessDPIAware()
            width, height = _user32.GetSystemMetrics(_SM_CXSCREEN), _user32.GetSystemMetrics(_SM_CYSCREEN)
            try:
                dpi = int(_user32.GetDpiForSystem())
            except AttributeError:
                return None  # before Windows 10
            return (int(width), int(height), dpi) if width and height else None

        def sleeps_after_s(self) -> int | None:
            """Of the power plan in force, on mains."""
            scheme, seconds = ctypes.c_void_p(), wintypes.DWORD()
            if _power.PowerGetActiveScheme(None, ctypes.byref(scheme)):
                return None
            try:
                group, setting = (ctypes.create_string_buffer(one.bytes_le, 16) for one in (_SUB_SLEEP, _STANDBY_IDLE))
                failed = _power.PowerReadACValueIndex(None, scheme, group, setting, ctypes.byref(seconds))
                return None if failed else int(seconds.value)
            finally:
                _kernel32.LocalFree(scheme)

        def on_battery(self) -> bool | None:
            """Whether it is fed by its battery now."""
            import psutil

            battery = psutil.sensors_battery()
            return None if battery is None else battery.power_plugged is False
