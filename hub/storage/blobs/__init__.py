"""Contents by sha256: the files of builds, manifests, locks, artifacts, sealed output (design.md §4).

A blob is immutable, so adding one twice is adding it once, and one that no row names yet is harmless: blobs are written
before the transaction that refers to them. Which workspace may read a blob is told by the rows, never by the store.
"""

from hub.storage.blobs.folder import FolderBlobs
from hub.storage.blobs.port import READ_BYTES, Blob, BlobGone, Blobs

__all__ = ["READ_BYTES", "Blob", "BlobGone", "Blobs", "FolderBlobs"]
