"""The ports through which both programs touch time and durable files; the simulator replaces them."""

from agent.ports.clock import Clock, SystemClock
from agent.ports.files import AppendFile, Disk, SystemDisk

__all__ = ["AppendFile", "Clock", "Disk", "SystemClock", "SystemDisk"]
