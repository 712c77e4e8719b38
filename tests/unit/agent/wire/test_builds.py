"""Manifests: what a build is (design.md §1, S21)."""

import hashlib

import pytest
from pydantic import ValidationError

from agent.wire.builds import BUILD_MAX_BYTES, FILE_MAX_BYTES, Manifest, ManifestError, ManifestFile, read_manifest


def file(path: str, size: int = 1, *, executable: bool = False) -> ManifestFile:
    """A file whose content is its name."""
    return ManifestFile(path=path, sha256=hashlib.sha256(path.encode()).hexdigest(), size=size, executable=executable)


def test_a_build_is_its_digest() -> None:
    """design.md §1: the order in which files were given does not matter; a bit, a byte and a name do."""
    one = Manifest(files=(file("b"), file("a")), folders=("out",))

    assert one.digest() == Manifest(files=(file("a"), file("b")), folders=("out",)).digest()
    others = [
        Manifest(files=(file("a"), file("b", executable=True)), folders=("out",)),
        Manifest(files=(file("a"), file("b", 2)), folders=("out",)),
        Manifest(files=(file("a"), file("c")), folders=("out",)),
        Manifest(files=(file("a"), file("b"))),
    ]
    assert 5 == len({one.digest(), *(other.digest() for other in others)})


def test_a_manifest_is_read_back_from_its_own_bytes_only() -> None:
    manifest = Manifest(files=(file("a"),))
    data = manifest.canonical()

    assert manifest == read_manifest(data, manifest.digest())
    for wrong in (data + b" ", b"", data.replace(b"size", b"Size")):
        with pytest.raises(ManifestError):
            read_manifest(wrong, manifest.digest())


@pytest.mark.parametrize("path", ["../x", "/x", "a\\b", "con"])
def test_a_runner_believes_no_unsafe_name_of_a_hub(path: str) -> None:
    """S8: also the right digest does not make a name safe."""
    data = (
        Manifest(files=(file("a"),))
        .canonical()
        .replace(b'"path":"a"', f'"path":"{path}"'.encode().replace(b"\\", b"\\\\"))
    )
    with pytest.raises(ManifestError):
        read_manifest(data, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("files", "folders"),
    [(["a", "A"], []), (["a", "a"], []), (["a", "a/b"], []), (["A/b", "a"], []), (["a"], ["a"]), (["a"], ["A/b"])],
)
def test_one_name_is_one_thing(files: list[str], folders: list[str]) -> None:
    """S24: no duplicates, and nothing is a file and a folder at once."""
    with pytest.raises(ValidationError):
        Manifest(files=tuple(file(path) for path in files), folders=tuple(folders))


def test_sizes_are_bounded() -> None:
    """S24: 512 MiB a file, 2 GiB in all."""
    file("a", FILE_MAX_BYTES)
    with pytest.raises(ValidationError):
        file("a", FILE_MAX_BYTES + 1)
    with pytest.raises(ValidationError):
        Manifest(files=tuple(file(str(n), FILE_MAX_BYTES) for n in range(BUILD_MAX_BYTES // FILE_MAX_BYTES + 1)))
