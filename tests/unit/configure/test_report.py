"""Plans and results can be read, and show no secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bank_vaults.configure import planfile, report
from bank_vaults.configure.apply import Outcome, Result
from bank_vaults.configure.model import (
    Action,
    Change,
    Difference,
    Identity,
    Joined,
    Place,
    Reference,
    Request,
    Saving,
    Stage,
)
from bank_vaults.configure.passes import MovedError, Report
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.planfile import Target

PLACE = Place("f.yml", 3, 5)
TARGET = Target("cluster", "")


def change(
    name: str, action: Action, *differences: Difference, contents: int = 0, section: str = "auth"
) -> Change:
    request = Request("PUT", f"auth/x/{name}", {"password": "s3cr3t"})
    made = Change(Identity(section, "role", name), action, "because", PLACE, differences, (request,))
    return made._replace(contents=contents)


PLAN = Plan(
    (
        change("new", Action.CREATE, Difference("ttl", None, "1h"), Difference("password", None, "s3cr3t")),
        change("old", Action.UPDATE, Difference("ttl", 1, 2), Difference("hash", "s3cr3t", "t", secret=True)),
        change(
            "text",
            Action.UPDATE,
            Difference("policy", "a\nb\nc", Joined(("a\nB ", Reference("accessor", "p")))),
        ),
        change("long", Action.UPDATE, Difference("list", [], ["x" * 200])),
        change("fresh", Action.CREATE, Difference("policy", None, "one\ntwo\n")),
        change("gone", Action.DELETE, contents=12),
        change("no", Action.REFUSED),
        change("same", Action.KEEP),
        change("spared", Action.KEEP)._replace(stage=Stage.PURGE, reason="it is protected"),
    )
)


def test_a_plan_is_readable_and_shows_no_secret() -> None:
    text = "\n".join(report.lines(PLAN))
    assert "s3cr3t" not in text
    for line in (
        "+ auth role new: because  (f.yml:3:5)",
        '    ttl: "1h"',
        "    password: (secret)",
        "    ttl: 1 -> 2",
        "    hash: (secret)",
        "      -b",
        "      +B <accessor of p>",
        "      +one",
        "      +two",
        "- auth role gone (12 objects inside): because  (f.yml:3:5)",
        "! auth role no: because  (f.yml:3:5)",
        "  auth role spared: it is protected",
        "plan: 2 to create, 3 to change, 1 to delete, 1 refused, 2 as wanted",
    ):
        assert line in text.splitlines()
    assert max(map(len, text.splitlines())) < 130


def test_a_value_on_the_server_may_be_secret_where_the_wanted_one_is_not() -> None:
    difference = Difference("address", "ldap://admin:s3cr3t@host", "ldap://host")
    made = Plan((change("x", Action.UPDATE, difference),))
    assert "s3cr3t" not in "\n".join(report.lines(made)) + json.dumps(report.as_json(made))


def test_k6_a_plan_says_where_a_generated_secret_goes() -> None:
    made = Plan((change("ca", Action.CREATE)._replace(saving=Saving("secret/data/ca", versioned=True)),))
    assert "    (what the server gives is saved to secret/data/ca)" in report.lines(made)
    assert report.as_json(made)["changes"][0]["saved_to"] == "secret/data/ca"


def test_nothing_in_a_policy_hides_it_on_a_terminal() -> None:
    difference = Difference("policy", "a\n", 'a\npath "*" {} \x1b[2K\x9b1A\n')
    text = "\n".join(report.lines(Plan((change("x", Action.UPDATE, difference),))))
    assert 'path "*" {} \\x1b[2K\\x9b1A' in text
    assert text.replace("\n", "").isprintable()


def test_signs_are_coloured_where_colours_are_wanted() -> None:
    text = "\n".join(report.lines(PLAN, lambda text, colour: f"<{colour}>{text}"))
    assert "<green>+ auth role new" in text
    assert "<red>- auth role gone" in text


def test_a_plan_for_programs_has_everything_but_secrets() -> None:
    written = report.as_json(PLAN)
    text = json.dumps(written)
    assert "s3cr3t" not in text
    assert [each["action"] for each in written["changes"]] == [
        "create",
        "update",
        "update",
        "update",
        "create",
        "delete",
        "refused",
    ]
    assert written["changes"][0]["place"] == {"file": "f.yml", "line": 3, "column": 5}
    assert written["changes"][0]["requests"] == [{"method": "PUT", "path": "auth/x/new"}]
    assert written["changes"][1]["differences"][1] == {
        "field": "hash",
        "before": "(secret)",
        "after": "(secret)",
        "secret": True,
    }
    assert [each["name"] for each in written["spared"]] == ["spared"]
    assert "nothing is wanted" in list(report.lines(Plan(())))[-1]


OUTCOMES = (
    Outcome(change("a", Action.CREATE), Result.DONE),
    Outcome(change("b", Action.UPDATE), Result.DONE),
    Outcome(change("c", Action.DELETE, section="secrets"), Result.DONE),
    Outcome(change("d", Action.KEEP, section="secrets"), Result.KEPT),
    Outcome(change("e", Action.CREATE, section="secrets"), Result.FAILED, "PUT e: 400: no"),
    Outcome(change("f", Action.KEEP, contents=1)._replace(stage=Stage.PURGE, reason="it stays"), Result.KEPT),
)


def test_the_summary_counts_by_section_and_tells_what_failed() -> None:
    lines = list(report.summary(OUTCOMES, 1.234, 5, 4))
    assert lines[0].split() == ["created", "changed", "deleted", "kept", "failed"]
    assert lines[1].split() == ["auth", "1", "1", "0", "1", "0"]
    assert lines[2].split() == ["secrets", "0", "0", "1", "1", "1"]
    assert lines[3:] == [
        "failed: secrets role e: PUT e: 400: no  (f.yml:3:5)",
        "kept: auth role f (1 object inside): it stays",
        "6 objects, 5 reads, 4 writes, 1.23 s",
    ]
    written = report.outcomes_as_json(OUTCOMES, 1.234, 5, 4)
    assert written["sections"]["secrets"] == {"deleted": 1, "kept": 1, "failed": 1}
    assert written["failed"] == [
        {
            "object": "secrets role e",
            "result": "failed",
            "error": "PUT e: 400: no",
            "place": {"file": "f.yml", "line": 3, "column": 5},
        }
    ]


def test_two_passes_are_told_as_one() -> None:
    later = Report((Outcome(change("a", Action.KEEP), Result.KEPT), OUTCOMES[4]), 1.0, 2, 3)
    whole = Report(OUTCOMES[:1], 0.5, 1, 1).followed_by(later)
    assert whole == Report((OUTCOMES[0], OUTCOMES[4]), 1.5, 3, 4)
    assert whole.failed == (OUTCOMES[4],)


def test_a_saved_plan_is_that_plan_only(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planfile.save(str(path), PLAN, TARGET)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "s3cr3t" not in path.read_text()
    planfile.SavedPlan(str(path)).check(PLAN, TARGET)
    request = Request("PUT", "auth/x/new", {"password": "another"})
    other = Plan((PLAN.changes[0]._replace(requests=(request,)), *PLAN.changes[1:]))
    with pytest.raises(MovedError, match="make a new plan"):
        planfile.SavedPlan(str(path)).check(other, TARGET)


def test_a_saved_plan_is_of_one_server_and_of_what_a_deletion_takes_along(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planfile.save(str(path), PLAN, TARGET)
    saved = planfile.SavedPlan(str(path))
    for elsewhere in (Target("another", ""), Target("cluster", "team")):
        with pytest.raises(MovedError, match="another server or namespace"):
            saved.check(PLAN, elsewhere)
    for fuller in ({"contents": 13}, {"reason": "no document has it (pki)"}):
        changes = tuple(
            each._replace(**fuller) if each.action is Action.DELETE else each for each in PLAN.changes
        )
        with pytest.raises(MovedError, match="make a new plan"):
            saved.check(Plan(changes), TARGET)


@pytest.mark.parametrize("text", ["policies: []\n", "{}", '{"a": "bank-vaults-plan"}'])
def test_a_file_that_is_no_plan_is_not_replaced_by_one(tmp_path: Path, text: str) -> None:
    document = tmp_path / "vault.yml"
    document.write_text(text)
    with pytest.raises(planfile.PlanFileError, match="is no plan; name another"):
        planfile.save(str(document), PLAN, TARGET)
    assert document.read_text() == text


def test_an_empty_file_and_an_earlier_plan_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.touch()
    planfile.save(str(path), PLAN, TARGET)
    path.write_text(json.dumps(json.loads(path.read_text())))
    planfile.save(str(path), PLAN, Target("another", ""))
    with pytest.raises(MovedError):
        planfile.SavedPlan(str(path)).check(PLAN, TARGET)


def test_a_device_or_pipe_is_not_replaced_by_a_plan(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(planfile.PlanFileError, match="no plain file"):
        planfile.save(str(pipe), PLAN, TARGET)
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"bank-vaults-plan": 9}', '{"bank-vaults-plan": 1, "key": 1}']
)
def test_what_is_no_saved_plan_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(planfile.PlanFileError, match="is no plan"):
        planfile.SavedPlan(str(path))
    with pytest.raises(planfile.PlanFileError, match="cannot be read"):
        planfile.SavedPlan(str(tmp_path / "absent"))
    with pytest.raises(planfile.PlanFileError, match="cannot be written"):
        planfile.save(str(tmp_path / "absent" / "plan"), PLAN, TARGET)
