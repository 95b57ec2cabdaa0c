"""Plans and results for people and for programs. Secret values are never in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from bank_vaults.configure.apply import Outcome, Result
from bank_vaults.configure.model import Action, Change, Difference, Joined, Reference
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.purging import spared
from bank_vaults.configure.secrecy import secret_names

Colour = Callable[[str, str], str]
"""A text in a colour: ``green``, ``yellow`` or ``red``."""

_SIGNS: Final = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.REFUSED: ("!", "red"),
}
_COUNTED: Final = {
    Action.CREATE: "to create",
    Action.UPDATE: "to change",
    Action.DELETE: "to delete",
    Action.REFUSED: "refused",
    Action.KEEP: "as wanted",
}
_SECRET: Final = "(secret)"  # noqa: S105
_LONGEST: Final = 100
_CONTEXT: Final = 2


def plain(text: str, colour: str) -> str:  # noqa: ARG001
    """No colour."""
    return text


def lines(plan: Plan, colour: Colour = plain) -> Iterator[str]:
    """A plan as people read it, the last line with the counts."""
    for change in plan.todo:
        yield from _change(change, colour)
    for change in spared(plan.changes):
        yield f"  {change.identity}{_inside(change)}: {change.reason}"
    counts = plan.counts()
    parts = [f"{counts[action]} {words}" for action, words in _COUNTED.items() if counts[action]]
    yield f"plan: {', '.join(parts) or 'nothing is wanted'}"


def _change(change: Change, colour: Colour) -> Iterator[str]:
    sign, shade = _SIGNS[change.action]
    yield colour(f"{sign} {change.identity}{_inside(change)}", shade) + f": {change.reason}{_place(change)}"
    for difference in change.differences:
        yield from _difference(difference, new=change.action is Action.CREATE)
    if change.saving is not None and change.requests:
        yield f"    (what the server gives is saved to {change.saving.path})"


def _inside(change: Change) -> str:
    return f" ({change.contents} object{'s' * (change.contents > 1)} inside)" if change.contents else ""


def _place(change: Change) -> str:
    return f"  ({change.place})" if change.place else ""


def _difference(difference: Difference, *, new: bool) -> Iterator[str]:
    import difflib  # plans only: kept out of the start

    before, after = difference.before, _texts(difference.after)
    if isinstance(after, str) and "\n" in after.rstrip("\n"):
        before = before or ""
    if _is_secret(difference):
        yield f"    {difference.field}: {_SECRET}"
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"    {difference.field}:"
        compared = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=_CONTEXT)
        yield from (f"      {_visible(line)}" for line in list(compared)[2:] if not line.startswith("@@"))
    elif new or before is None:
        yield f"    {difference.field}: {_short(after)}"
    else:
        yield f"    {difference.field}: {_short(before)} -> {_short(after)}"


def _is_secret(difference: Difference) -> bool:
    """Either value may have a password in it, whatever the field is called."""
    return difference.secret or any(
        secret_names({difference.field: _texts(value)}) for value in (difference.before, difference.after)
    )


def _visible(line: str) -> str:
    """Without what a terminal would take for an order, such as to hide the line."""
    return "".join(
        letter if letter.isprintable() or letter == "\t" else letter.encode("unicode_escape").decode()
        for letter in line
    )


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _texts(value: Any) -> Any:
    """References as a document has them."""
    if isinstance(value, Reference):
        return f"<{value.kind} of {value.name}>"
    if isinstance(value, Joined):
        return "".join(str(_texts(part)) for part in value.parts)
    if isinstance(value, dict):
        return {name: _texts(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(each) for each in value]
    return value


def as_json(plan: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "changes": [_change_as_json(change) for change in plan.todo],
        "spared": [_change_as_json(change) for change in spared(plan.changes)],
        "counts": {action.value: count for action, count in plan.counts().items()},
    }


def _change_as_json(change: Change) -> dict[str, Any]:
    return {
        "section": change.identity.section,
        "kind": change.identity.kind,
        "name": change.identity.name,
        "action": change.action.value,
        "reason": change.reason,
        "place": _place_as_json(change),
        "differences": [_difference_as_json(difference) for difference in change.differences],
        "requests": [{"method": request.method, "path": request.path} for request in change.requests],
        "contents": change.contents,
        "saved_to": change.saving.path if change.saving else None,
    }


def _place_as_json(change: Change) -> dict[str, Any] | None:
    return change.place._asdict() if change.place else None


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    after, secret = _texts(difference.after), _is_secret(difference)
    return {
        "field": difference.field,
        "before": _SECRET if secret else _texts(difference.before),
        "after": _SECRET if secret else after,
        "secret": secret,
    }


_RESULTS: Final = ("created", "changed", "deleted", "kept", "failed", "refused", "skipped", "stopped")


def result_of(outcome: Outcome) -> str:
    """One word for what came of an object: one of the columns of the summary."""
    if outcome.result is not Result.DONE:
        return str(outcome.result.value)
    return {Action.CREATE: "created", Action.DELETE: "deleted"}.get(outcome.change.action, "changed")


def counts(outcomes: Iterable[Outcome]) -> Counter[tuple[str, str]]:
    """How many objects of each section had which result."""
    return Counter((outcome.change.identity.section, result_of(outcome)) for outcome in outcomes)


def not_as_wanted(failed: Sequence[Outcome]) -> str:
    """How many objects are not as wanted, in words."""
    return f"{len(failed)} object{'s are' if len(failed) > 1 else ' is'} not as wanted"


def summary(outcomes: Sequence[Outcome], seconds: float, reads: int, writes: int) -> Iterator[str]:
    """A table with a row for each section, what failed and why, and the figures of the run."""
    counted = counts(outcomes)
    columns = [result for result in _RESULTS if any(each == result for _, each in counted)]
    sections = list(dict.fromkeys(section for section, _ in counted))
    rows = [["", *columns]]
    rows += [[section, *(str(counted[section, column]) for column in columns)] for section in sections]
    widths = [max(len(row[number]) for row in rows) for number in range(len(columns) + 1)]
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join((first.strip().ljust(widths[0]), *others)).rstrip()
    for outcome in outcomes:
        if outcome.bad:
            change = outcome.change
            yield f"{result_of(outcome)}: {change.identity}: {outcome.sentence}{_place(change)}"
    for change in spared(outcome.change for outcome in outcomes):
        yield f"kept: {change.identity}{_inside(change)}: {change.reason}"
    yield f"{len(outcomes)} objects, {reads} reads, {writes} writes, {seconds:.2f} s"


def outcomes_as_json(outcomes: Sequence[Outcome], seconds: float, reads: int, writes: int) -> dict[str, Any]:
    """The same for programs."""
    found: dict[str, dict[str, int]] = {}
    for (section, result), count in counts(outcomes).items():
        found.setdefault(section, {})[result] = count
    return {
        "sections": found,
        "failed": [
            {
                "object": str(outcome.change.identity),
                "result": result_of(outcome),
                "error": outcome.sentence,
                "place": _place_as_json(outcome.change),
            }
            for outcome in outcomes
            if outcome.bad
        ],
        "seconds": round(seconds, 3),
        "reads": reads,
        "writes": writes,
    }
