"""A campaign of hours shows that it lives."""

from tests.reliability.alive import told
from tests.support.waiting import eventually_sync


def test_a_silent_part_is_said_to_be_at_it_with_its_last_words() -> None:
    """T8: whoever watches sees how far a part is, also where one try takes minutes; afterwards nothing more is said."""
    said: list[str] = []
    with told("kills", said.append, every_s=0.01) as say:
        say("3 of 200")
        eventually_sync(lambda: any(line.startswith("kills: at it for ") for line in said))
    assert said[0] == "3 of 200"
    assert said[-1].endswith("last: 3 of 200")
    count = len(said)
    with told("other", said.append) as say:
        say("done")
    assert said[count:] == ["done"]
