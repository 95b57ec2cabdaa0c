"""The configuration file that the original's users start from renders as with Go's text/template and sprig.

``sample-rendered.yaml`` is what the oracle (``templates/oracle``) makes of ``sample.yaml`` with the variables
and the file below.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.templating import yaml12
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import SCALAR, render
from tests.support.templates import NoOracle, ask

HERE = Path(__file__).parent / "templates"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "ROOT_USERNAME": "root",
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def _sample(tmp_path: Path) -> str:
    """The sample, with a place of this machine for the file that it reads."""
    (tmp_path / "ca.crt").write_text(CERTIFICATE)
    return (HERE / "sample.yaml").read_text().replace("`/ca.crt`", f"`{tmp_path}/ca.crt`")


def test_the_sample_renders_identically(tmp_path: Path) -> None:
    expected = (HERE / "sample-rendered.yaml").read_text()
    assert render(_sample(tmp_path), Sources(ENVIRONMENT)) == expected


def test_the_sample_means_the_same_in_the_safe_mode(tmp_path: Path) -> None:
    expected = yaml12.load((HERE / "sample-rendered.yaml").read_text())
    found = yaml12.load(render(_sample(tmp_path), Sources(ENVIRONMENT), mode=SCALAR))
    assert found == expected
    config = found["auth"][7]["config"]
    assert config["oidc_discovery_ca_pem"] == CERTIFICATE


def test_go_still_renders_the_sample_so() -> None:
    case = {
        "template": (HERE / "sample.yaml").read_text(),
        "env": ENVIRONMENT,
        "files": {"/ca.crt": CERTIFICATE},
    }
    try:
        (answer,) = ask([case])
    except NoOracle as reason:
        pytest.skip(str(reason))
    assert answer["output"] == (HERE / "sample-rendered.yaml").read_text()
