"""The dependency rule, sizes and names: what imports what is read from the source, nothing is imported."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "spinn_mam"
MODULES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sorted(PACKAGE.rglob("*.py"))}

#: Folders and modules of the package by level: each imports its own level and those above it in this list, never what stands below.
LEVELS = [
    {"errors", "compiled"},
    {"units", "network", "machine", "recording", "spike_trains", "provenance"},
    {"models", "fixed_point", "expander", "partitioning", "deployment", "analysis", "spectra", "formats", "energy", "virtual_board"},
    {"comparison", "real_time", "multi_area"},
    {"nest_reference"},
    {"backends", "bench"},
    {"pynn", "planning"},
    {"report"},
    {"flow"},
    {"cli", "board_commands", "bench_commands", "reference_commands", "result_commands", "theory_commands", "options", "terminal"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
#: All that a folder may import of the package, where the level alone says too little.
ONLY = {
    "partitioning": {"network", "machine", "errors", "deployment"},
    "energy": {"recording", "errors"},
    "compiled": set(),
    "network": {"errors"},
    "virtual_board": {"errors", "compiled", "units", "network", "machine", "provenance"},
    "machine": {"errors"},
    "recording": {"errors"},
    "spike_trains": set(),
    "analysis": {"spike_trains", "recording", "errors"},
    "spectra": {"recording", "errors"},
    "formats": {"recording", "errors"},
    "real_time": {"network", "machine", "deployment", "partitioning", "recording", "errors"},
    "comparison": {"analysis", "spike_trains", "recording", "errors"},
    "multi_area": {"analysis", "spike_trains", "spectra", "models", "network", "recording", "compiled", "errors"},
}
#: Where a package may be imported.
ONE_PLACE = {
    "nest": "nest_reference",
    "unicorn": "virtual_board",
    "brian2": "bench",
    "spynnaker": "backends.spinnaker",
    "pacman": "backends.spinnaker",
    "spinn_machine": "backends.spinnaker",
    "spinnman": "backends.spinnaker",
    "spinn_front_end_common": "backends.spinnaker",
}


def imports(path: Path) -> set[str]:
    """Absolute names that a module imports anywhere, also inside functions; ``from a import b`` gives a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def folder(name: str) -> str:
    """Folder or module below the package, such as ``energy`` for ``spinn_mam.energy.model``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else ""


def violations(modules: dict[str, Path]) -> list[str]:
    found = []
    for name, path in modules.items():
        mine = folder(name)
        for target in sorted(imports(path)):
            if target.split(".")[0] == "spinn_mam":
                theirs = folder(target)
                if not theirs or theirs == mine:
                    continue
                if LEVEL[theirs] > LEVEL[mine] or (mine in ONLY and theirs not in ONLY[mine]):
                    found.append(f"{name} imports {target}")
            else:
                place = ONE_PLACE.get(target.split(".")[0])
                if place is not None and not f"{name}.".startswith(f"spinn_mam.{place}."):
                    found.append(f"{name} imports {target}, only {place} may")
    return found


def test_every_module_has_a_level() -> None:
    new = {name for name in MODULES if name != "spinn_mam" and not folder(name)}
    assert not new, f"give {sorted(new)} a level in this file"


def test_dependencies_point_one_way() -> None:
    assert len(MODULES) > 50
    assert not violations(MODULES)


def test_the_documentation_has_the_same_levels() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d+\. (.*)$", page[page.index("## Dependency rule") :], re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", line)) for line in listed] == LEVELS


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("spinn_mam.partitioning.planted", "from spinn_mam.backends.base import Network"),
        ("spinn_mam.energy.planted", "from spinn_mam.backends.emulator import backend"),
        ("spinn_mam.network.planted", "import spinn_mam.flow.engine"),
        ("spinn_mam.comparison.planted", "def f():\n    from spinn_mam.report import html"),
        ("spinn_mam.flow.planted", "from spinn_mam import cli"),
        ("spinn_mam.backends.planted", "import nest"),
        ("spinn_mam.partitioning.planted", "from pacman.model import placements"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, module: str, line: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(line + "\n")
    assert len(violations({module: path})) == 1


def test_what_is_imported_is_what_is_installed() -> None:
    used = {target.split(".")[0] for path in MODULES.values() for target in imports(path)} - set(sys.stdlib_module_names) - {"spinn_mam"}
    required = set(re.findall(r'^ +"([a-z0-9]+)[><=].*",$', (ROOT / "setup.py").read_text(), re.MULTILINE))
    assert len(required) > 10
    # markupsafe is a part of what jinja2 hands out, llvmlite of Numba; the others are extras, imported where they are used
    # pytest is there for the fixture that other projects use, PyNN comes with sPyNNaker
    assert used - required <= {"markupsafe", "llvmlite", "pytest", "pyNN", "pyarrow", *ONE_PLACE}


def test_experiments_use_the_package_only_from_outside() -> None:
    for path in (ROOT / "experiments").rglob("*.py"):
        assert not {target for target in imports(path) if target.split(".")[0] in ("partitioning", "energy", "nest_reference", "board_configs")}


def test_long_modules_say_why() -> None:
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        opening = ast.get_docstring(ast.parse(text)) or ""
        # the opening of a module explains; what counts is what comes after it
        n_lines = len(text.splitlines()) - len(opening.splitlines())
        assert n_lines <= 400 or "\nLength\n" in opening, f"{name} has {n_lines} lines: divide it, or say why in a section 'Length' of its opening"


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_no_vague_names() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)")
    assert not [name for name in MODULES if any(vague.search(part) for part in name.split("."))]


def test_no_path_of_one_computer_and_no_registry() -> None:
    told = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt)/(?!ada\b)\w|pypi\.org|pythonhosted\.org|files\.python")
    paths = [p for folder in ("spinn_mam", "board_configs", "experiments", "docs", ".ci") for p in (ROOT / folder).rglob("*") if p.is_file()]
    paths += [p for p in ROOT.iterdir() if p.is_file() and p.suffix in {".md", ".toml", ".py", ".cff", ".in", ".lock", ".yaml"}] + [ROOT / "Makefile"]
    text_files = [
        p for p in paths if p.suffix not in {".npz", ".pyc", ".nbi", ".nbc"} and not {"_build", "__pycache__", "jupyter_execute"} & set(p.parts)
    ]
    found = [f"{p.relative_to(ROOT)}: {m.group()}" for p in text_files for m in [told.search(p.read_text(encoding="utf-8", errors="replace"))] if m]
    assert len(text_files) > 80
    assert not found
