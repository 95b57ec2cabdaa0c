"""What people get wrong in configuration files is told at once, with its place and what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.program import run

MISTAKES = {
    "members.yml": """\
auth:
  - tpye: approle
  - type: userpass
    options: {max_lease_tl: 1h}
    users: [{password: a}]
  - type: approle
    config: {a: b}
policies:
  - name: reader
    rules: path "secret/*" { capabilities = ["read"]
  - {name: writer, rules_file: writer.hcl}
  - {name: writer, rules: ''}
  - {name: Writer, rules: ''}
purgeUnmanagedConfig: {enable: true}
startupSecrets:
  - {type: kv, path: secret/data/app}
""",
    "indented.yml": """\
policies:
  - name: a
   rules: b
""",
    "twice.json": """\
{"auth": [],
 "auth": []}
""",
    "template.yml": """\
policies:
  - {name: a, rules: "${ getenv `HOME` }"}
""",
    "no-map.yml": "- name: a\n",
}
EXPECTED = (
    "members.yml:2:5: auth[0]: 'tpye' is not known here; did you mean 'type'?",
    "members.yml:4:15: auth[1].options: 'max_lease_tl' is not known here; did you mean 'max_lease_ttl'?",
    "members.yml:5:13: auth[1].users[0]: the username is missing",
    "members.yml:6:5: auth config approle: auth methods of the type approle have no config",
    "members.yml:9:5: policies policy reader: the rules cannot be parsed",
    "members.yml:11:20: policies[1]: 'rules_file' is not known here",
    "members.yml:13:5: policies: 'writer' is there twice, first at line 12, column 5",
    "members.yml:14:24: purgeUnmanagedConfig: 'enable' is not known here; did you mean 'enabled'?",
    "members.yml:16:5: startupSecrets[0]: the data is missing",
    "indented.yml:3:",
    "twice.json:2:2: 'auth' is there twice",
    'template.yml: the file cannot be rendered: template: config:2: function "getenv" not defined',
    "no-map.yml:1:1: ",
    "missing.yml: the file cannot be read: No such file or directory",
)


@pytest.mark.parametrize("order", [1, -1])
def test_all_mistakes_of_all_files_are_told_at_once_with_their_places(tmp_path: Path, order: int) -> None:
    for name, text in MISTAKES.items():
        (tmp_path / name).write_text(text)
    names = [*MISTAKES, "missing.yml"][::order]
    flags = [f"--vault-config-file={tmp_path / name}" for name in names]
    told = run("configure", "--validate", *flags, store=tmp_path)
    assert (told.code, told.output) == (1, "")
    for expected in EXPECTED:
        assert f"{tmp_path}/{expected}" in told.log, (expected, told.log)
