"""Bundles: what a bare machine fetches from this hub to become a runner (`hub/install`)."""

from collections.abc import Sequence

from pydantic import Field

from hub.api.call import Call, Nothing, View
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.install.building import platform_here
from hub.install.scripts import Bundle


class BundleAnswer(View):
    """A bundle in the hub's folder."""

    name: str
    version: str
    platform: str = Field(description="Python, machine and libc that it runs on; windows-… brings its own Python.")
    size_bytes: int
    sha256: str


class BundlesAnswer(View):
    """What this hub can hand out."""

    items: list[BundleAnswer]
    own_platform: str = Field(description="The kind of the hub's own machine: made when it is first asked for.")
    folder: str = Field(description="Where an administrator puts bundles that were made elsewhere.")
    address: str = Field(description="The hub's own, as /install.sh tells a machine that asks by the same way.")


@route(
    "GET",
    "/bundles",
    Spec(role=Role.ADMIN, summary="List runner bundles", about="What /install.sh and /install.ps1 bring to a machine."),
)
async def listing(call: Call[Nothing, Nothing]) -> BundlesAnswer:
    """The newest of each kind."""
    found: Sequence[Bundle] = await call.hub.bundles.there()
    items = [BundleAnswer(**{name: getattr(one, name) for name in BundleAnswer.model_fields}) for one in found]
    return BundlesAnswer(
        items=items, own_platform=platform_here(), folder=str(call.hub.bundles.folder), address=call.base_url
    )


ROUTES: tuple[Route, ...] = (listing,)
