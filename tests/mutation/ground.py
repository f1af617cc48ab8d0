"""A copy of what a module's tests need, with the package where mutmut can name it.

mutmut names what it changes by the path from the project's folder, and ours is a layer two folders down; so the copy
has the usual `src` folder. It also keeps the sources clean, whatever is interrupted.
"""

import json
import shutil
import tomllib
from pathlib import Path

from tests.mutation.modules import Module

ROOT = Path(__file__).parents[2]
_COPIED = ("tests", "events", "functions", "layers", "template.yaml")
# A mutant whose tests take so many times as long as otherwise, and a minute more, counts as noticed. That is patient,
# for a computer that is busy with something else mustn't look like it; pytest's own limit ends a hanging test before.
_PATIENCE = 30.0
_MORE_SECONDS = 60.0


def lay_out(module: Module, place: Path) -> None:
    """Make the copy in `place`, in place of an earlier one."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in _COPIED:
        _copy(ROOT / name, place / name)
    _copy(ROOT / "layers/salesforce_keypair/salesforce_keypair", place / "src/salesforce_keypair")
    (place / "pyproject.toml").write_text(_settings(module))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


# What takes minutes is tried by make prove alone.
_TRIED = "not exhaustive and not further and not cuts"


def _settings(module: Module) -> str:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    pytest = ours | {
        "pythonpath": ["src", "layers/salesforce_token", "."],
        "addopts": f"{ours['addopts']} -p no:cacheprovider -p no:xdist -m '{_TRIED}'",
    }
    mutmut = {
        "source_paths": ["src"],
        "only_mutate": [f"src/salesforce_keypair/{module.path}"],
        "also_copy": list(_COPIED),
        "pytest_add_cli_args_test_selection": list(module.tests),
        # What is logged is for people, and nothing depends on it; that it holds no secret is tested elsewhere.
        "do_not_mutate_patterns": [r"^\s*logger\."],
        "timeout_multiplier": _PATIENCE,
        "timeout_constant": _MORE_SECONDS,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    return _table("tool.pytest.ini_options", pytest) + _table("tool.mutmut", mutmut)


def _table(name: str, values: dict[str, object]) -> str:
    # Strings, numbers, booleans and lists of strings look the same in JSON and in TOML.
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])
