"""What a jar says of itself, read where it is stored (bot-packages.md §2: a jar with a main class)."""

import io
import zipfile
from pathlib import Path

import pytest

from agent.ports.files import SystemDisk
from agent.wire.words import Kind
from hub.domain.package_options import PackageOptions
from hub.domain.packages import PackageError, recognise
from hub.services.packages import Unpacked, load, open_archive, unpack
from hub.storage.blobs import FolderBlobs

MANIFEST = "Manifest-Version: 1.0\r\nMain-Cl\r\n ass: a.B\r\n"


def jar(manifest: str | None) -> bytes:
    """A jar with this manifest, and much else before it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/B.class", b"\xca\xfe" * 50_000)
        if manifest is not None:
            archive.writestr("META-INF/MANIFEST.MF", manifest)
    return buffer.getvalue()


def taken(folder: Path, data: bytes) -> tuple[Unpacked, Unpacked]:
    """The package of one jar, as it came in and as it is read again."""
    blobs = FolderBlobs(folder / "blobs", SystemDisk())
    (folder / "upload").write_bytes(data)
    came = unpack(open_archive(folder / "upload", "bot.jar"), blobs)
    return came, load(came.digest, blobs)


def test_a_jar_with_a_main_class_is_a_java_bot(tmp_path: Path) -> None:
    """Long lines of a manifest are folded."""
    for read in taken(tmp_path, jar(MANIFEST)):
        launch = recognise(read.package, PackageOptions()).launch
        assert (Kind.JAVA, "bot.jar") == (launch.kind, launch.entry)


@pytest.mark.parametrize("data", [jar(None), jar("Manifest-Version: 1.0\n"), jar(MANIFEST)[:-30], b"PK no jar"])
def test_what_has_none_is_a_library_or_nothing(tmp_path: Path, data: bytes) -> None:
    """Refused when it is deployed, not when it is started; named as entry it is believed."""
    came, _ = taken(tmp_path, data)

    with pytest.raises(PackageError, match="nothing in this package says how to start it"):
        recognise(came.package, PackageOptions())
    assert Kind.JAVA is recognise(came.package, PackageOptions(entry="bot.jar")).launch.kind
