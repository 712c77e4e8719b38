"""`botyard hub`: run the server, back it up, put a backup back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import platformdirs
import typer

from hub.cli import backup, runner_bundle
from hub.cli.failing import Exit, Failure

if TYPE_CHECKING:
    from pydantic import ValidationError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Run the server; back it up.")

EXAMPLES = """
Examples:

  botyard hub serve --data /var/lib/botyard-hub

  botyard hub serve --host 0.0.0.0 --tls-cert hub.pem --tls-key hub.key

Every option can stand in the environment as BOTYARD_HUB_…, as BOTYARD_HUB_DATA.
"""


@app.callback()
def hub() -> None:
    """Run the server."""


@app.command(epilog=EXAMPLES)
def serve(
    data: Annotated[Path | None, typer.Option(help="Folder of everything that the hub keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if absent.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 8040 if absent.")] = None,
    database: Annotated[str | None, typer.Option(help="Database URL; a SQLite file in the folder if absent.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Address at which a proxy serves this hub.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Address or network of a proxy whose X-Forwarded-* count; repeatable.")
    ] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Allow plain http beyond this machine.")] = None,
) -> int:
    """Run a hub in the foreground. The first start makes everything, and an admin key in DATA/admin-token."""
    given: dict[str, Any] = {
        "data": data,
        "host": host,
        "port": port,
        "database": database,
        "public_url": public_url,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "trusted_proxy": ",".join(trusted_proxy) if trusted_proxy else None,
        "insecure": insecure,
    }
    return _serve({name: value for name, value in given.items() if value is not None})


app.add_typer(runner_bundle.app, name="bundle")
app.command("backup", epilog=backup.BACKUP_EXAMPLES)(backup.backup)
app.command("restore", epilog=backup.RESTORE_EXAMPLES)(backup.restore)


def _serve(said: dict[str, Any]) -> int:
    import gc
    import os

    from pydantic import ValidationError

    from agent.ports.starter import end_with_starter
    from hub.loading import loading

    with loading():
        from hub.app import run
        from hub.config import Settings
        from hub.storage.address import Address

    if "data" not in said and not os.environ.get("BOTYARD_HUB_DATA"):
        said["data"] = platformdirs.user_data_path("botyard-hub", appauthor=False)
    try:
        settings = Settings(**said)
    except ValidationError as error:
        raise _refused(error) from None
    try:
        Address.parse(settings.database_url)
    except ValueError as error:
        raise Failure(f"--database is {error}", Exit.USAGE) from None
    gc.set_threshold(700, 10, 10)  # as Python has it: what serves for months has garbage
    end_with_starter()
    return run(settings)


def _refused(error: "ValidationError") -> Failure:
    """One line for one fault, else one each behind the first; options as they are typed."""
    faults = []
    for one in error.errors(include_url=False, include_input=False):
        option = f"--{'.'.join(map(str, one['loc'])).replace('_', '-')}: " if one["loc"] else ""
        faults.append(f"{option}{one['msg'].removeprefix('Value error, ')}")
    if len(faults) == 1:
        return Failure(f"the hub can't be started so: {faults[0]}.", Exit.USAGE)
    return Failure("the hub can't be started so:", Exit.USAGE, faults)
