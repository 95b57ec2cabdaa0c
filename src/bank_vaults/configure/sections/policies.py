"""Policies: their texts, compared as texts, and the accessors of auth methods in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bank_vaults.configure import hcl
from bank_vaults.configure.accessors import Placed, placed, resolved
from bank_vaults.configure.config import Configuration, Policy
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Difference,
    Identity,
    Place,
    Record,
    Request,
    Shown,
    Stage,
    Wanted,
)
from bank_vaults.configure.sections import steps
from bank_vaults.configure.sections.item import judge
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.server import AUTH, Server, accessors, keys

LIST: Final = "sys/policies/acl?list=true"

BUILT_IN: Final = frozenset({"root", "default", "default-ceiling"})
"""Policies that belong to the server. No server says which these are, but those that it needs it keeps."""

_KEPT: Final = "cannot delete"
"""What servers say of others that belong to them."""


class AclPolicy(NamedTuple):
    """What is wanted of one policy."""

    identity: Identity
    place: Place
    rules: Placed
    stage: int = Stage.POLICIES

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (self._path, AUTH) if self.rules.paths else (self._path,)

    @property
    def _path(self) -> str:
        return f"sys/policies/acl/{self.identity.name}"

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        found = shown(self._path)
        text = resolved(self.rules.value, accessors(shown)) if self.rules.paths else self.rules.value
        change = Change(
            self.identity,
            Action.UPDATE,
            "",
            self.place,
            requests=(Request("PUT", self._path, {"policy": self.rules.value}),),
            stage=self.stage,
            needs=self.rules.needs,
        )
        if found.problem:
            verdict = judge({"policy": text}, found, record, context)
            change = change._replace(action=verdict.action, reason=verdict.reason, record=verdict.record)
            return change._replace(requests=()) if verdict.action is Action.KEEP else change
        before = None if found.fields is None else str(found.fields.get("policy", ""))
        difference = (Difference("policy", before, text),)
        if before is None:
            return change._replace(action=Action.CREATE, reason="it is not there", differences=difference)
        if not isinstance(text, str):
            return change._replace(reason="an auth method in it is not there yet", differences=difference)
        if before == text or hcl.same_text(before, text):
            why = "as wanted" if before == text else "as wanted but for its layout"
            return change._replace(action=Action.KEEP, reason=why, requests=())
        return change._replace(reason="the text differs", differences=difference)


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The policies of the documents; one with a text that cannot be parsed, or with a placeholder for an auth
    method that nobody has, is refused and does not keep the others.
    """
    known = server.auth | {auth.path for auth in configuration.auth}
    return tuple(_wanted(policy, known) for policy in configuration.policies)


def _wanted(policy: Policy, known: frozenset[str]) -> Wanted:
    identity = Identity("policies", "policy", policy.name)
    text = policy.rules.replace("\r\n", "\n").rstrip("\n") + "\n"
    rules = placed(text, known)
    why = unfit(policy.name, slashes=True) or _fault(policy) or rules.complaint
    if why:
        return Refused(identity, policy.place, why, Stage.POLICIES)
    return AclPolicy(identity, policy.place, rules)


def faults(configuration: Configuration) -> Iterator[tuple[Place, str]]:
    """What can be said of the texts without a server: place of the policy, and a sentence."""
    for policy in configuration.policies:
        fault = _fault(policy)
        if fault:
            yield policy.place, fault


def _fault(policy: Policy) -> str:
    fault = hcl.check(policy.rules)
    return f"the rules cannot be parsed: {fault}" if fault else ""


def listings(configuration: Configuration) -> tuple[str, ...]:
    """What has to be read for ``unmanaged``."""
    return (LIST,) if configuration.purge.covers("policies") else ()


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of policies that no document has. Raises UnreadableError."""
    if not configuration.purge.covers("policies"):
        return ()
    managed = BUILT_IN | {policy.name.lower() for policy in configuration.policies}
    return tuple(
        steps.deletion(Identity("policies", "policy", name), f"sys/policies/acl/{name}", forgives=_KEPT)
        for name in keys(shown, LIST)
        if name.lower() not in managed
    )
