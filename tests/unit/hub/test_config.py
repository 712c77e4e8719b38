"""Settings of a hub: plain http only on loopback, certificate and key together (S6)."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.ports import SystemDisk
from hub import data_folder
from hub.config import Settings
from hub.data_folder import DataInUse
from hub.identity import is_signed_by, load_identity

DATA = Path("/data")
PEM = {"tls_cert": Path("c.pem"), "tls_key": Path("k.pem")}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_plain_http_is_allowed_on_loopback(host: str) -> None:
    assert not Settings(data=DATA, host=host).is_tls


def test_plain_http_elsewhere_needs_to_be_said() -> None:
    with pytest.raises(ValidationError, match="--insecure"):
        Settings(data=DATA, host="0.0.0.0")
    assert Settings(data=DATA, host="0.0.0.0", insecure=True).insecure
    assert Settings.model_validate({"data": DATA, "host": "0.0.0.0", **PEM}).is_tls


@pytest.mark.parametrize("half", ["tls_cert", "tls_key"])
def test_a_certificate_needs_its_key(half: str) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings.model_validate({"data": DATA, half: PEM[half]})


def test_the_database_is_a_file_in_the_folder_unless_named() -> None:
    assert "sqlite:////data/hub.db" == Settings(data=DATA).database_url
    assert "postgresql://db/x" == Settings(data=DATA, database="postgresql://db/x").database_url


def test_one_hub_holds_a_folder(tmp_path: Path) -> None:
    """design.md §5: a second hub on the same folder is refused, and may start when the first has gone."""
    data, disk = tmp_path / "data", SystemDisk()
    with data_folder.held(data, disk):
        with pytest.raises(DataInUse, match="another hub"), data_folder.held(data, disk):
            pass
        assert 0o700 == data.stat().st_mode & 0o777
    with data_folder.held(data, disk):
        pass


def test_the_admins_key_survives_a_start_that_died_before_its_commit(tmp_path: Path) -> None:
    disk = SystemDisk()
    assert "byk_one" == data_folder.admin_secret(tmp_path, disk, "byk_one")
    assert "byk_one" == data_folder.admin_secret(tmp_path, disk, "byk_two")
    assert 0o600 == (tmp_path / data_folder.ADMIN_TOKEN_FILE).stat().st_mode & 0o777


def test_a_hub_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """S6: the hub's identity is made once and pinned by every runner."""
    disk = SystemDisk()
    first, again = load_identity(tmp_path, disk), load_identity(tmp_path, disk)
    assert (first.hub_id, first.key) == (again.hub_id, again.key)
    assert "private" not in repr(first).lower()


def test_a_challenge_is_signed_over_the_runners_own_nonce(tmp_path: Path) -> None:
    from agent.wire.proofs import challenge_bytes

    identity = load_identity(tmp_path, SystemDisk())
    signature = identity.sign_challenge(runner_nonce="a", nonce="b")
    proof = challenge_bytes(hub_id=identity.hub_id, runner_nonce="a", nonce="b")
    assert is_signed_by(identity.key, signature, proof)
    assert not is_signed_by(identity.key, signature, proof + b"x")
    assert not is_signed_by(identity.key, "nonsense", proof)
    assert not is_signed_by("00", signature, proof)
