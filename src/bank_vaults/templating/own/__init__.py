"""Functions of our own, which win over sprig's: what a template can see of the outside world, and YAML.

``env``, ``expandenv`` and ``getHostByName`` are sprig's by name; they stand here because they look outside.
"""

from __future__ import annotations

from bank_vaults.templating.functions import Function, Lookup
from bank_vaults.templating.own.sources import Sources


def functions(sources: Sources, *, escaped: bool = True) -> Lookup:
    """All functions: our own over ``sources``, then sprig's; each refused where the policy denies it.

    ``escaped`` is whether ``file`` makes its content fit between quotes.
    """
    from bank_vaults.templating import sprig  # its catalogue is read on import

    own = sources.functions(escaped=escaped)
    policy = sources.policy

    def find(name: str) -> Function | None:
        found = own(name) or sprig.lookup(name)
        if found is not None and policy.denied:
            return _guarded(found, sources)
        return found

    return find


def _guarded(function: Function, sources: Sources) -> Function:
    def call(*arguments: object) -> object:
        sources.policy.check_function(function.name)
        return function.call(*arguments)

    return function._replace(call=call)


__all__ = ["Sources", "functions"]
