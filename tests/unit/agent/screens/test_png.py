"""A picture of a desktop becomes a PNG file, and what changed in it is found."""

import random

import pytest

from agent.desktops.port import Frame
from agent.screens.difference import changed, is_same, look_of
from agent.screens.png import Rectangle, encode
from tests.support.pictures import BLUE, dotted, plain, read_png


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (640, 480), (70_000, 2)])
def test_a_picture_is_read_back_as_it_was(size: tuple[int, int]) -> None:
    """Every pixel, in pictures of one strip and of many."""
    width, height = size
    noise = random.Random(0).randbytes(width * height * 4)
    pixels = bytearray(noise)
    pixels[3::4] = bytes(width * height)
    frame = Frame(width=width, height=height, pixels=bytes(pixels))
    assert read_png(encode(frame)) == frame


def test_nothing_changed() -> None:
    """Two pictures of the same are the same, whoever holds the bytes."""
    again = Frame(width=40, height=30, pixels=bytes(bytearray(plain().pixels)))
    assert changed(plain(), again) is None
    assert is_same(plain(), again)
    assert not is_same(None, again)


def test_what_changed_is_one_rectangle() -> None:
    """From the leftmost to the rightmost change, from the first row to the last."""
    after = dotted(plain(), (5, 20), (30, 4), (12, 29))
    assert changed(plain(), after) == Rectangle(x=5, y=4, width=26, height=26)
    assert not is_same(plain(), after)


@pytest.mark.parametrize("place", [(0, 0), (39, 0), (0, 29), (39, 29), (17, 16)])
def test_a_single_pixel_is_found(place: tuple[int, int]) -> None:
    """At each corner and in the middle, whichever of its colours changed."""
    for colour in (b"\x81\x80\x80\0", b"\x80\x81\x80\0", b"\x80\x80\x7f\0"):
        after = dotted(plain(), place, colour=colour)
        assert changed(plain(), after) == Rectangle(x=place[0], y=place[1], width=1, height=1)


def test_another_size_is_another_picture() -> None:
    """All of it is new, also where there are as many pixels as before."""
    turned = plain(30, 40)
    assert changed(plain(40, 30), turned) == Rectangle(x=0, y=0, width=30, height=40)
    assert changed(None, plain(colour=BLUE)) == Rectangle(x=0, y=0, width=40, height=30)
    assert not is_same(plain(40, 30), turned)


def test_a_look_stands_for_the_picture() -> None:
    """Its size counts: as many pixels may be turned."""
    again = Frame(width=40, height=30, pixels=bytes(bytearray(plain().pixels)))
    assert look_of(again) == look_of(plain())
    assert look_of(dotted(plain(), (39, 29))) != look_of(plain())
    assert look_of(plain(30, 40)) != look_of(plain(40, 30))
