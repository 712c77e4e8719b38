"""The home: one daemon, one machine, counters that only grow (`core.md` D1, D5, D8)."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import machine
from agent.errors import AgentError, SetupError
from agent.home import Home, Membership, read_membership
from agent.machine import fingerprint, same_machine
from agent.ports import SystemDisk

MEMBER = Membership(
    hub_url="https://hub:443",
    hub_id="hub",
    hub_key="0" * 64,
    runner_id="rnr_" + "0" * 32,
    workspace="default",
    name="vm",
    slots=2,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home that was prepared for enrolment."""
    home = Home.lock(tmp_path / "home", SystemDisk())
    home.prepare(b"k" * 32, *home.introduction())
    yield home
    home.release()


def test_the_root_of_a_disk_is_no_home() -> None:
    """A lock, a key and executions are not strewn over it."""
    with pytest.raises(SetupError, match="root of a disk: give --home a folder of the runner's own"):
        Home.lock(Path("/"), SystemDisk())


def test_only_one_process_has_a_home(home: Home) -> None:
    """Packaging §2: 75, the manager tries again."""
    with pytest.raises(AgentError, match="another botyard-agent") as found:
        Home.lock(home.path, SystemDisk())
    assert found.value.exit_code == 75
    home.release()
    Home.lock(home.path, SystemDisk()).release()


def test_what_root_left_in_it_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that may not read its spool must not be started again and again: 78, and what to type."""
    home.check_rights()
    monkeypatch.setattr("os.access", lambda path, _: path.name != "key")
    with pytest.raises(SetupError, match=r"key: permission denied: give .* \(chown -R\)") as found:
        home.check_rights()
    assert found.value.exit_code == 78


def test_the_key_is_readable_by_its_owner_alone(home: Home) -> None:
    """S17: keys 0600, home 0700."""
    assert stat.S_IMODE((home.path / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert home.private_key() == b"k" * 32


def test_the_join_counter_is_durable_before_it_is_used_and_only_grows(home: Home) -> None:
    """D8: fsync n+1 before sending."""
    assert [home.next_join(), home.next_join()] == [1, 2]
    assert (home.path / "join").read_text() == "2"
    assert home.last_epoch == 0
    home.store_epoch(41)
    assert home.last_epoch == 41


def test_a_home_without_enrolment_says_what_to_type(tmp_path: Path) -> None:
    """78: not enrolled."""
    home = Home.lock(tmp_path / "home", SystemDisk())
    with pytest.raises(SetupError, match="botyard-agent enroll") as found:
        home.membership()
    assert found.value.exit_code == 78
    assert not home.is_enrolled
    home.release()


def test_membership_is_kept(home: Home) -> None:
    """Enrolment once."""
    home.join_hub(MEMBER)
    assert home.is_enrolled
    assert home.membership() == read_membership(home.path, SystemDisk()) == MEMBER


@pytest.mark.parametrize("content", ["{", '{"format": 1}', '{"format": 7, "hub_url": "x"}', "[]"])
def test_a_damaged_identity_is_refused(home: Home, content: str) -> None:
    """78, one sentence."""
    (home.path / "identity.json").write_text(content)
    with pytest.raises(SetupError):
        home.membership()


@pytest.mark.parametrize(("name", "content"), [("join", "x"), ("epoch", ""), ("key", "short")])
def test_a_damaged_counter_or_key_is_refused(home: Home, name: str, content: str) -> None:
    """A counter that cannot be read proves nothing: better none than a small one."""
    (home.path / name).write_text(content)
    with pytest.raises(SetupError, match="--again"):
        home.private_key() if name == "key" else (home.next_join(), home.last_epoch)


def test_a_home_from_another_machine_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """D8: another machine fingerprint: exit 78, nothing is voided."""
    home.check_machine()
    monkeypatch.setattr(machine, "fingerprint", lambda: "os:" + "0" * 32 + " product:" + "0" * 32)
    with pytest.raises(SetupError, match=r"another machine.*--again"):
        home.check_machine()


def test_what_only_one_could_read_says_nothing() -> None:
    """The product's UUID is root's to read: a daemon as another user is no other machine."""
    os_part, product = "os:" + "a" * 32, "product:" + "b" * 32
    assert same_machine(f"{os_part} {product}", os_part)
    assert same_machine(os_part, f"{os_part} {product}")
    assert same_machine("", os_part)
    assert not same_machine(os_part, "os:" + "c" * 32)
    assert same_machine(fingerprint(), fingerprint())


def test_the_exclusive_link_is_probed(home: Home) -> None:
    """D1: where it does not hold: exit 78."""
    home.check_exclusive_link()
    assert not (home.path / "probe").exists()


class LastWins(SystemDisk):
    """A disk on which a link replaces."""

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Replace."""
        path.write_bytes(data)
        return data


class NoLink(SystemDisk):
    """A disk without links."""

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Refuse."""
        raise OSError(95, "Operation not supported")


class FullDisk(SystemDisk):
    """A disk without room."""

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Refuse."""
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_not_taken_for_one_without_links(tmp_path: Path) -> None:
    """R27, packaging §2: 75, the manager starts it again, and not 78, which only a person mends."""
    home = Home.lock(tmp_path / "home", FullDisk())
    with pytest.raises(AgentError, match="is full: free some space") as found:
        home.check_exclusive_link()
    assert found.value.exit_code == 75
    assert not (home.path / "probe").exists()
    home.release()


@pytest.mark.parametrize("disk", [LastWins(), NoLink()])
def test_a_disk_that_does_not_exclude_is_refused(tmp_path: Path, disk: SystemDisk) -> None:
    """D1: two verdicts must not both win."""
    home = Home.lock(tmp_path / "home", disk)
    with pytest.raises(SetupError, match="exclusive link"):
        home.check_exclusive_link()
    home.release()


def test_starting_over_leaves_nothing_that_speaks_for_the_new_runner(home: Home) -> None:
    """D8: enroll --again is the way out."""
    home.join_hub(MEMBER)
    (home.path / "executions" / "exe_1").mkdir(parents=True)
    (home.path / "spool.db").write_text("x")
    (home.path / "builds").mkdir()
    home.start_over()
    assert not home.is_enrolled
    assert sorted(path.name for path in home.path.iterdir()) == [
        "builds",
        "epoch",
        "home",
        "join",
        "key",
        "lock",
        "starts",
    ]
