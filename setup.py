"""Editable installs alone: vgglab is run from its checkout, whose conf no wheel would hold."""

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class NoWheel(bdist_wheel):
    """Refuses to build what could not be run."""

    def run(self) -> None:
        """Say how vgglab is installed."""
        raise SystemExit(
            "vgglab is run from its checkout, which holds conf, experiments and sweeps: "
            "make install, or pip install --editable ."
        )


setup(cmdclass={"bdist_wheel": NoWheel})
