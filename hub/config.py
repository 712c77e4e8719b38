"""What a hub process is told at its start; one frozen object, read once (`design.md` §5)."""

from pathlib import Path
from typing import Self

from pydantic import ByteSize, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.proxied import Network, parse_networks
from hub.storage.room import RESERVE_BYTES

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Settings of a hub: from ``BOTYARD_HUB_*`` variables, overridden by the command line. Units stand in the names."""

    model_config = SettingsConfigDict(env_prefix="BOTYARD_HUB_", frozen=True, extra="ignore")

    data: Path = Field(description="folder of everything that this hub keeps")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8040, ge=0, le=65535, description="0 lets the system choose; see DATA/hub.json")
    database: str | None = Field(default=None, description="database URL; without one, a file in `data`")
    public_url: str | None = Field(default=None, description="scheme://host[:port] at which a proxy serves this hub")
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM")
    tls_key: Path | None = Field(default=None, description="its private key, PEM")
    insecure: bool = Field(default=False, description="allow plain http beyond loopback")

    trusted_proxy: str = Field(
        default="", description="addresses and networks of proxies whose X-Forwarded-* count, by comma"
    )

    disk_reserve: ByteSize = Field(
        default=ByteSize(RESERVE_BYTES), description="room kept on the disk for deletes, cancels and settling, as 64MiB"
    )
    output_grace_s: float = Field(default=600.0, gt=0, description="wait for the rest of an output before settling")
    admissions_per_s: float = Field(default=200.0, gt=0, description="runner connections admitted a second")
    stop_grace_s: float = Field(default=8.0, gt=0, description="longest orderly stop before the process just ends")
    silence_s: float = Field(default=35.0, gt=0, description="a link without a byte for this long is dead")
    held_s: float = Field(default=120.0, gt=0, description="a restored hub releases nothing by itself before")
    quarantine_after: int = Field(default=5, ge=2, description="a runner's failures in a row that end its work")
    sweep_s: float = Field(default=5.0, gt=0, description="between two safety sweeps")

    @model_validator(mode="after")
    def _check(self) -> Self:  # noqa: N804 - pydantic calls this one on the instance
        try:
            parse_networks(self._proxies)
        except ValueError as error:
            raise ValueError(f"--trusted-proxy: {error}") from None
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together: give both or none")
        if not self.is_tls and not self.insecure and self.host not in LOOPBACK:
            raise ValueError(
                f"plain http on {self.host} would send tokens in the clear: "
                "give --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy, or say --insecure"
            )
        return self

    @property
    def is_tls(self) -> bool:
        """Whether this process itself speaks https."""
        return self.tls_cert is not None

    @property
    def _proxies(self) -> list[str]:
        return [name for name in self.trusted_proxy.split(",") if name.strip()]

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Whose word about a caller counts."""
        return parse_networks(self._proxies)

    @property
    def database_url(self) -> str:
        """The database: the given one, or a file in the data folder."""
        return self.database or f"sqlite:///{self.data / 'hub.db'}"
