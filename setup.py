"""Metadata and dependencies; tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / "spinn_mam" / "__init__.py").read_text()).group(1)

EXTRAS = {
    "nest": ["nest-simulator==3.10.*"],
    "spinnaker": ["sPyNNaker==1!7.4.1"],
    "pynn": ["PyNN>=0.13,<0.14"],
    "board": ["unicorn==2.1.4"],
    "formats": ["nixio==1.5.*", "pyarrow>=26"],
    "bench": ["brian2>=2.9"],
    "portal": ["hbp_neuromorphic_platform==0.11.2"],
    "test": ["pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "scipy-stubs", "types-psutil", "networkx", "build", "nox", "pre-commit"],
    "docs": ["sphinx", "furo", "myst-nb", "sphinxcontrib-bibtex"],
}
EXTRAS["all"] = sorted({package for extra in EXTRAS.values() for package in extra})

setup(
    name="spinn-mam",
    version=VERSION,
    description="Cortical microcircuit and multi-area models on SpiNNaker: mapped, emulated, checked, metered",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0 AND CC-BY-NC-SA-4.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["spinn_mam", "spinn_mam.*"], exclude=["spinn_mam.board_configs"]), "spinn_mam.board_configs"],
    package_dir={"spinn_mam.board_configs": "board_configs"},
    package_data={
        "": [
            "*.toml",
            "*.csv",
            "*.npz",
            "*.json",
            "data/*.npz",
            "data/*.json",
            "facts/*.csv",
            "facts/*.npz",
            "facts/*.md",
            "*.html",
            "*.css",
            "*.bib",
            "*.md",
            "py.typed",
        ]
    },
    install_requires=[
        "numpy>=2.4,<3",
        "scipy>=1.17",
        "numba>=0.68",
        "pydantic>=2.14,<3",
        "typer>=0.29",
        "rich>=15",
        "psutil>=7",
        "matplotlib>=3.11",
        "jinja2>=3.1",
        "neo>=0.14",
        "elephant>=1.2",
        "quantities>=0.16",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["spinn-mam=spinn_mam.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering",
    ],
)
