"""Functions of our own, which win over sprig's: what a template can see of the outside world, and YAML.

``env``, ``expandenv`` and ``getHostByName`` are sprig's by name; they stand here because they look outside.
"""

from __future__ import annotations

from bank_vaults.templating.functions import Function, Lookup
from bank_vaults.templating.language import builtins
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.policy import Policy


def functions(sources: Sources, *, escaped: bool = True) -> Lookup:
    """All functions: our own over ``sources``, then sprig's; each refused where the policy denies it.

    Of Go's own functions, which every template has anyway, there are here those that are denied.
    ``escaped`` is whether ``file`` makes its content fit between quotes.
    """
    from bank_vaults.templating import sprig  # its catalogue is read on import

    own = sources.functions(escaped=escaped)
    policy = sources.policy

    def find(name: str) -> Function | None:
        found = own(name) or sprig.lookup(name)
        if not policy.denied:
            return found
        names = sprig.names_of(name)
        if found is not None:
            return _guarded(found, policy, names)
        builtin = builtins.lookup(name)
        # The evaluator knows some of them by what they are, so what is not denied stays what it is.
        return _guarded(builtin, policy, names) if builtin and policy.denial_of(names) else None

    return find


def _guarded(function: Function, policy: Policy, names: tuple[str, ...]) -> Function:
    def call(*arguments: object) -> object:
        policy.check_function(*names)
        return function.call(*arguments)

    return function._replace(call=call)


__all__ = ["Sources", "functions"]
