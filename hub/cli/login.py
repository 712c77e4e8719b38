"""`botyard login`: remember a hub and a key for it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hub.cli import show
from hub.cli.client import Client
from hub.cli.failing import Exit, Failure
from hub.cli.profile import Profile, checked_url, is_in_the_clear, save_profile

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard login https://hub.example:8040

  botyard login http://127.0.0.1:8040 --token-file DATA/admin-token
"""


@app.command(epilog=EXAMPLES)
def login(
    url: Annotated[str, typer.Argument(help="Where the hub is.")],
    token_file: Annotated[
        str | None, typer.Option("--token-file", help="Read the key from this file, - for standard input.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="A private authority's certificate, PEM, trusted beside the system's.")
    ] = None,
    json_: show.Json = False,
) -> None:
    """Remember a hub and a key, for this user alone. The key is asked for, never an argument."""
    profile = Profile(url=checked_url(url), token=_token(token_file), ca=ca.absolute() if ca else None)
    if is_in_the_clear(profile.url):
        show.warn(f"warning: {profile.url} is plain http, so everybody on the way can read the key. Use https.")
    me = Client(profile).get("/me")
    where = save_profile(profile)
    if json_:
        show.as_json({**me, "url": profile.url, "profile": str(where)})
        return
    typer.echo(f"{me['name']} ({me['role']}) in workspace {me['workspace']} at {profile.url}")
    show.note(f"written to {where}")


def _token(file: str | None) -> str:
    if file == "-":
        token = sys.stdin.readline()
    elif file is not None:
        try:
            token = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Failure(f"--token-file: {file} can't be read: {why}.", Exit.USAGE) from None
    else:
        token = typer.prompt("Key (byk_…)", hide_input=True)
    if not token.strip():
        raise Failure("the key is empty. botyard key create makes one.", Exit.USAGE)
    return token.strip()
