"""The folder of ``--config-dir`` on Hydra's search path, also where a process composes anew."""

from __future__ import annotations

import os

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from vgglab.checkout import USER_FOLDER


class UserFolder(SearchPathPlugin):
    """Puts it where ``--config-dir`` does: after ``conf``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder, if there is one."""
        if folder := os.environ.get(USER_FOLDER):
            search_path.append("vgglab", f"file://{folder}")
