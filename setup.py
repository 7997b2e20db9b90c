"""The build: everything is in pyproject.toml but one step, which puts conf/ into the package.

The configuration has its place at the top of the checkout, where Kedro wants it. A wheel gets a
copy as ``lightning_kedro/conf``; there is never one in the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CONF = Path(__file__).parent / "conf"


class BuildWithConf(build_py):
    """Puts the configuration beside the modules; nothing of conf/local, which may hold secrets."""

    def run(self) -> None:
        """Build as ever, then copy."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "lightning_kedro" / "conf"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(CONF, target, ignore=shutil.ignore_patterns("local", ".*"))


setup(cmdclass={"build_py": BuildWithConf})
