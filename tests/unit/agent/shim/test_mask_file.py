"""Masks that outlive their shim (S15, core.md §2)."""

from pathlib import Path

import pytest

from agent.ports import SystemDisk
from agent.shim.mask_file import MASKS_NAME, keep_masks, kept_masks

DISK = SystemDisk()


def test_masks_come_back_in_their_order(tmp_path: Path) -> None:
    """Any bytes; the file is its owner's alone."""
    assert kept_masks(tmp_path, DISK) == ()
    keep_masks(tmp_path, DISK, [b"first\n", b"\xff\x00"])
    keep_masks(tmp_path, DISK, [b"second"])
    assert kept_masks(tmp_path, DISK) == (b"first\n", b"\xff\x00", b"second")
    assert (tmp_path / MASKS_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", [b"", b"torn", b"\xff\xfe\n!!!\n"])
def test_a_spoiled_file_is_no_fault(tmp_path: Path, spoil: bytes) -> None:
    """A bot of our own user can write there; what can be read counts."""
    keep_masks(tmp_path, DISK, [b"first"])
    with (tmp_path / MASKS_NAME).open("ab") as file:
        file.write(spoil)
    assert kept_masks(tmp_path, DISK) == (b"first",)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """S38."""
    (tmp_path / "elsewhere").write_bytes(b"Zmlyc3Q=\n")
    (tmp_path / MASKS_NAME).symlink_to(tmp_path / "elsewhere")
    assert kept_masks(tmp_path, DISK) == ()


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    """A full disk, or a bot that removed its own folder, must not stop the masking."""
    keep_masks(tmp_path / "gone", DISK, [b"first"])
    assert kept_masks(tmp_path / "gone", DISK) == ()
