"""What is installed from a checkout, a wheel, an sdist and an archive is the whole package and nothing else."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import spinn_mam

ROOT = Path(__file__).parents[2]
LINKS = ("partitioning", "energy", "nest_reference")
#: Left behind by running, not part of the package.
NOT_SOURCE = {".pyc", ".nbi", ".nbc"}
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_REQUIRE"))} | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def files_of(package: Path) -> set[str]:
    """Files of a package's folder, relative to it."""
    return {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file() and p.suffix not in NOT_SOURCE}


def source_files(root: Path = ROOT) -> set[str]:
    """Files that an installed ``spinn_mam`` should have, relative to it."""
    return files_of(root / "spinn_mam") | {f"board_configs/{name}" for name in files_of(root / "board_configs")}


def setup_arguments() -> dict[str, object]:
    """What setup.py hands to setuptools."""
    program = "import json, runpy, setuptools; setuptools.setup = lambda **k: print(json.dumps(k)); runpy.run_path('setup.py')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=ENV, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_all_folders_and_data_are_declared() -> None:
    arguments = setup_arguments()
    packages, patterns = arguments["packages"], arguments["package_data"][""]
    assert all(name.split(".")[0] == "spinn_mam" for name in packages)
    assert set(packages) == {".".join(("spinn_mam", *Path(name).parent.parts)) for name in source_files() if name.endswith("__init__.py")}
    folders = {name.replace(".", "/") for name in packages}
    for name in source_files():
        owner = f"spinn_mam/{Path(name).parent.as_posix()}".removesuffix("/.")
        if not name.endswith(".py"):
            inside = next(f for f in sorted(folders, key=len, reverse=True) if owner == f or owner.startswith(f + "/"))
            rest = f"spinn_mam/{name}".removeprefix(inside + "/")
            assert any(fnmatch.fnmatch(rest, p) and rest.count("/") == p.count("/") for p in patterns), f"{name} is in no pattern of package_data"


def test_shortcuts_lead_into_the_package() -> None:
    for name in LINKS:
        link = ROOT / name
        if link.is_symlink():
            assert os.readlink(link) == f"spinn_mam/{name}"
    assert not [p for p in (ROOT / "spinn_mam").rglob("*") if p.is_symlink()]


def test_versions_agree() -> None:
    version = re.escape(spinn_mam.__version__)
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert re.search(rf"^## \[{version}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert setup_arguments()["version"] == spinn_mam.__version__


def test_the_lock_has_all_that_the_extras_name() -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    arguments = setup_arguments()
    wanted = {re.split(r"[<>=!~ ;\[]", r)[0] for rs in [arguments["install_requires"], *arguments["extras_require"].values()] for r in rs}
    locked = {normal(line.split("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert not {name for name in wanted if normal(name) not in locked}


def test_licence_is_the_declared_one() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert setup_arguments()["license"].split()[0] == "Apache-2.0"
    assert "license: Apache-2.0" in (ROOT / "CITATION.cff").read_text()


def test_tools_read_the_real_folders() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert not [p for p in tools["ruff"]["include"] if p.split("/")[0] in LINKS]
    assert tools["pytest"]["ini_options"]["testpaths"] == ["tests"]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that building leaves nothing behind here."""
    target = tmp_path_factory.mktemp("checkout") / "project"
    left_out = shutil.ignore_patterns(".*cache", ".venv*", ".git", ".hypothesis", "runs", "build", "dist", "*.egg-info", "_build", "__pycache__")
    return Path(shutil.copytree(ROOT, target, symlinks=True, ignore=left_out))


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, checkout, cwd=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "-o", out, checkout, cwd=out)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit as a zip, unpacked without symbolic links, as some systems do."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    out = tmp_path_factory.mktemp("archive")
    run("git", "archive", "--format=zip", "--prefix=project/", "-o", out / "project.zip", "HEAD", cwd=ROOT)
    shutil.unpack_archive(out / "project.zip", out)
    return out / "project"


def fresh_environment(folder: Path) -> Path:
    """A new environment without our package that sees the dependencies of the running one; returns its python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # packages are found through this path; the running environment's own .pth files, and so its editable installs, are not read
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install_and_use(source: Path, tmp_path: Path, expected: set[str], *, editable: bool = False, verb: str = "plan") -> None:
    python = fresh_environment(tmp_path / "env")
    flags = ["-e"] if editable else []
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", *flags, source, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # a script's neighbours with the names of our folders must not be taken for them
    for name in LINKS:
        (elsewhere / f"{name}.py").write_text("raise ImportError('the wrong one')\n")
    (elsewhere / "script.py").write_text(
        "import spinn_mam.energy.model, spinn_mam.partitioning.pipeline, spinn_mam.nest_reference.library\n"
        "from importlib.resources import files\n"
        "print(spinn_mam.__file__)\n"
        "print(*(str(p) for p in files('spinn_mam.board_configs').iterdir() if p.name.endswith('.toml')), sep='\\n')\n"
    )
    where, *boards = run(python, "script.py", cwd=elsewhere).split("\n")
    installed = Path(where).parent
    assert len(list(filter(None, boards))) == len(list((ROOT / "board_configs").glob("*.toml")))
    if editable:
        assert installed == source / "spinn_mam"
    else:
        assert installed.is_relative_to(tmp_path / "env")
        assert files_of(installed) == expected
        others = {p.name for p in installed.parent.iterdir()} & {*LINKS, "board_configs", "experiments", "tests", "docs"}
        assert not others
    program = python.parent / "spinn-mam"
    assert "million-core" in run(program, "machines", cwd=elsewhere)
    assert json.loads(run(program, "show", "pd14", "--json", cwd=elsewhere))
    flags = ("--t-sim", "100", "--warm-up", "0") if verb == "run" else ()
    run(program, verb, "pd14", "--n-scaling", "0.02", "--k-scaling", "0.02", *flags, "--out", "out", cwd=elsewhere)
    assert (elsewhere / "out" / ("report.html" if verb == "run" else "machine.png")).stat().st_size > 10_000


@pytest.mark.slow
def test_install_from_checkout(checkout: Path, tmp_path: Path) -> None:
    install_and_use(checkout, tmp_path, source_files(checkout))


@pytest.mark.slow
def test_editable_install(checkout: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(checkout, tmp_path / "source", symlinks=True, ignore=shutil.ignore_patterns("build", "*.egg-info")))
    install_and_use(source, tmp_path, set(), editable=True)


@pytest.mark.slow
def test_install_from_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as zipped:
        tops = {name.split("/")[0] for name in zipped.namelist()}
        assert any(name.endswith("licenses/LICENSE") for name in zipped.namelist())
    assert tops == {"spinn_mam", f"spinn_mam-{spinn_mam.__version__}.dist-info"}
    # the files of all installs are the same: one simulation is enough, it compiles for half a minute
    install_and_use(wheel, tmp_path, source_files(checkout), verb="run")


@pytest.mark.slow
def test_install_from_sdist(checkout: Path, sdist: Path, tmp_path: Path) -> None:
    install_and_use(sdist, tmp_path, source_files(checkout))


@pytest.mark.slow
def test_sdist_has_tests_and_docs(sdist: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path, filter="data")
    project = next(tmp_path.iterdir())
    for name in ("LICENSE", "CHANGELOG.md", "CITATION.cff", "Makefile", "requirements.lock", "docs/conf.py", "tests/unit/test_packaging.py"):
        assert (project / name).is_file(), name


@pytest.mark.slow
def test_install_from_archive(archive: Path, tmp_path: Path) -> None:
    install_and_use(archive, tmp_path, source_files(archive))
