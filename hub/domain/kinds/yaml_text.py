"""YAML of packages: small, plain and without aliases, so that it can't grow when it is read (libraries.md)."""

from typing import TYPE_CHECKING, Any

from hub.domain.kinds.package import Package, PackageError

if TYPE_CHECKING:
    from ruamel.yaml.error import YAMLError


def read_yaml(package: Package, path: str) -> dict[str, Any]:
    """The mapping in a YAML file of the package. Raises PackageError (`bad_yaml`) that says where it is wrong."""
    # When it is needed: few packages bring YAML, and every hub start would pay for it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import AliasEvent

    text = package.text(path)
    if text is None:
        raise PackageError("bad_yaml", f"{path} is too long, or too deep in the package, to be read")
    try:
        if any(isinstance(event, AliasEvent) for event in YAML(typ="safe", pure=True).parse(text)):
            raise PackageError("bad_yaml", f"{path} uses aliases (*name); write the values out")
        read = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise PackageError("bad_yaml", f"{path}: {_short(error)}") from None
    if not isinstance(read, dict):
        raise PackageError("bad_yaml", f"{path} must hold names and values")
    return read


def _short(error: "YAMLError") -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem
