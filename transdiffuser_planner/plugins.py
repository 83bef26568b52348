"""Entry points: extensions of this package that other packages register by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transdiffuser_planner.core.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def plugin_names(group: str) -> tuple[str, ...]:
    """Names that installed packages register in an entry-point group, sorted."""
    return tuple(sorted({point.name for point in _entry_points(group=group)}))


def load_plugin(group: str, name: str) -> Any:
    """Import the object that a package registers under a name.

    Args:
        group: Entry-point group.
        name: One of ``plugin_names``.

    Raises:
        ConfigError: No package registers the name, several do, or the object cannot be imported.
    """
    points = list(_entry_points(group=group, name=name))
    if not points:
        known = ", ".join(plugin_names(group)) or "none"
        raise ConfigError(f"entry point '{name}' of group {group}: not installed; installed are {known}")
    if len({point.value for point in points}) > 1:
        packages = ", ".join(sorted(_package(point) for point in points))
        raise ConfigError(f"entry point '{name}' of group {group}: registered by {packages}; uninstall all but one")
    point = points[0]
    try:
        return point.load()
    except Exception as error:  # importing a foreign module can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"entry point '{name}' of group {group}: {point.value} of package {_package(point)} cannot be imported "
            f"({type(error).__name__}: {reason}); repair or uninstall that package"
        ) from None


def _entry_points(**wanted: str) -> tuple[EntryPoint, ...]:
    """Entry points of installed packages; the module is imported on first use, as a node without plugins has none."""
    from importlib.metadata import entry_points

    found: Any = entry_points(**wanted)  # typed differently from Python to Python
    return tuple(found)


def _package(point: EntryPoint) -> str:
    """Name of the distribution that registers an entry point."""
    return "unknown" if point.dist is None else str(point.dist.name)
