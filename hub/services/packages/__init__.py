"""Uploaded packages: readers of zip, tar.gz and single files, and the way from there to a stored manifest."""

from hub.services.packages.archive import Archive, open_archive
from hub.services.packages.unpacked import Unpacked, load, unpack

__all__ = ["Archive", "Unpacked", "load", "open_archive", "unpack"]
