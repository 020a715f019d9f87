"""Why a name may not be known: its plugin is broken, switched off, or not installed."""

from __future__ import annotations

from rmr1_core.discovery import Plugins


def why_lacking(kind: str, name: str, known: Plugins) -> str:
    """Which plugin may have what there is not, in words; "" where nothing is known of one."""
    there = known.known()
    plugin, slash, _ = name.partition(":")[0].partition("/")
    if slash and plugin in there:
        suspects = [there[plugin]]
    elif slash and kind != "backbone":  # which may be a hub id
        return f"no plugin {plugin!r} is installed; install its package with: rmr1 install PACKAGE"
    else:
        suspects = [one for one in there.values() if one.error]
    for one in suspects:
        if one.disabled:
            return f"plugin {one.name!r} is switched off by RMR1_DISABLE_PLUGINS"
        if one.error:
            return f"plugin {one.name!r} is broken, and may have it; see: rmr1 plugins"
    return ""
