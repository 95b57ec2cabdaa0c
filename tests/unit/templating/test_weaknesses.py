"""The weaknesses of the original's templates are not here, by their numbers. Details are proved elsewhere."""

from __future__ import annotations

import logging

import pytest

from bank_vaults.templating import yaml12
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own import blobs
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.policy import policy
from bank_vaults.templating.render import SCALAR, render

EVIL = 'x", "admin": "yes'


def test_k17_a_value_breaks_out_of_its_text_neither_in_the_safe_mode_nor_quoted_by_hand() -> None:
    sources = Sources({"X": EVIL})
    for document, mode in (('{"a": "${ .Env.X }"}', SCALAR), ('{"a": ${ .Env.X | toJson }}', "text")):
        assert yaml12.load(render(document, sources, mode=mode)) == {"a": EVIL}


def test_k18_blob_knows_directories_and_no_argument_of_a_function_panics() -> None:
    assert blobs.parse("s3://bucket/dir/key").key == "dir/key"
    assert blobs.parse("s3://bucket/key?prefix=dir/").key == "dir/key"
    for call in ("blob `s3://bucket`", "awskms `eA==` `word`", "gcpkms `eA==` `` `` `` ``"):
        with pytest.raises(TemplateError) as failed:
            render(f"${{ {call} }}", Sources({}))
        assert f"error calling {call.split()[0]}: " in str(failed.value)


def test_k27_what_templates_read_can_be_limited_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    limited = Sources({"A": "1", "SECRET": "2"}, policy(["env:A", "file:/etc/tls"], []))
    with caplog.at_level(logging.DEBUG, "bank_vaults"):
        assert render("${ .Env.A }", limited) == "1"
    assert "a template reads an environment variable" in caplog.messages
    for call in ("env `SECRET`", "file `/etc/passwd`", "blob `s3://b/k`", "getHostByName `localhost`"):
        with pytest.raises(TemplateError, match="is refused"):
            render(f"${{ {call} }}", limited)
