"""Where the PKCS#11 library is: a path, a module file of p11-kit (pkcs11.conf(5)), or a name it knows."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from bank_vaults.hsm.uri import Pkcs11Uri

CONFIGURATIONS = (
    os.path.join(os.path.expanduser("~"), ".config/pkcs11/modules"),
    "/etc/pkcs11/modules",
    "/usr/share/p11-kit/modules",
)
"""Where p11-kit looks for ``*.module`` files, the first found wins."""

LIBRARIES = ("/usr/lib/*/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/pkcs11", "/usr/local/lib/pkcs11")
"""Where a relative ``module:`` of such a file is looked for."""


class NoModuleError(ValueError):
    """No such module; the message says what was looked for and where."""


def resolve(
    path: str,
    uri: Pkcs11Uri,
    configurations: Sequence[str] = CONFIGURATIONS,
    libraries: Sequence[str] = LIBRARIES,
) -> str:
    """The path of the library: ``--hsm-module-path``, else module-path or module-name of the URI.

    A ``*.module`` file is read for its ``module:`` line. Raises NoModuleError.
    """
    if not path:
        if uri.module_path:
            path = uri.module_path
        elif uri.module_name:
            path = _by_name(uri.module_name, configurations)
        else:
            raise NoModuleError(
                "no PKCS#11 module is named: give --hsm-module-path, for a Nitrokey HSM on Debian "
                "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
            )
    if path.endswith(".module"):
        path = _library_of(path, libraries)
    if not os.path.exists(path):
        raise NoModuleError(f"the PKCS#11 module {path} does not exist; is its package installed?")
    return path


def _by_name(name: str, configurations: Sequence[str]) -> str:
    for directory in configurations:
        path = os.path.join(directory, f"{name}.module")
        if os.path.exists(path):
            return path
    raise NoModuleError(f"p11-kit knows no module {name!r}: looked in {', '.join(configurations)}")


def _library_of(path: str, libraries: Sequence[str]) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition(":") for line in file if not line.lstrip().startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not text"
        raise NoModuleError(f"the p11-kit file {path} cannot be read: {words}") from None
    named = [value.strip() for key, _, value in lines if key.strip() == "module" and value.strip()]
    if not named:
        raise NoModuleError(f"the p11-kit file {path} has no line 'module:'")
    if os.path.isabs(named[0]):
        return named[0]
    for pattern in libraries:
        for directory in sorted(glob.glob(pattern)):
            if os.path.exists(found := os.path.join(directory, named[0])):
                return found
    raise NoModuleError(f"{named[0]}, named by {path}, is in none of {', '.join(libraries)}")
