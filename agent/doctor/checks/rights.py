"""Is the home its owner's alone? Key and spool stand in it (`packaging.md` §3: 0700, the key 0600)."""

from dataclasses import dataclass
from pathlib import Path

from agent.doctor.finding import Deed, Finding, Mend, fine, unknown, warning, wrong

CHECK = "rights"


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsFacts:
    """Owner and modes; `why_unknown` where they can't be read, or say nothing."""

    home: Path
    why_unknown: str = ""
    remedy_unknown: str = ""
    owner: str = ""
    user: str = ""
    """Who runs this command."""
    is_owner: bool = True
    is_root: bool = False
    home_mode: int = 0o700
    key_mode: int | None = None
    """None where there is no key yet."""


def judge(facts: RightsFacts) -> Finding:
    """Others' rights are wrong; another owner is, unless root looks."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown, facts.remedy_unknown)
    open_to, mends = [], []
    if facts.home_mode & 0o077:
        open_to.append(f"the home ({facts.home_mode:04o})")
        mends.append(Mend(deed=Deed.SET_MODE, path=facts.home, mode=0o700))
    if facts.key_mode is not None and facts.key_mode & 0o077:
        open_to.append(f"the runner's key ({facts.key_mode:04o})")
        mends.append(Mend(deed=Deed.SET_MODE, path=facts.home / "key", mode=0o600))
    if open_to:
        what = f"open to other users: {', '.join(open_to)}"
        return wrong(CHECK, what, "botyard-agent doctor --fix, or chmod 700 the home and 600 the key", *mends)
    if not facts.is_owner and facts.is_root:
        what = f"the home is {facts.owner}'s and this command runs as root, which can't tell what {facts.owner} may do"
        return warning(CHECK, what, f"run it as {facts.owner}")
    if not facts.is_owner:
        return wrong(CHECK, f"the home is {facts.owner}'s, this command runs as {facts.user}", f"run as {facts.owner}")
    return fine(CHECK, f"the home is {facts.owner}'s alone")
