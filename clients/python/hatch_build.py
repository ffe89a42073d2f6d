"""Puts the program into the wheel where FRAMECACHE_PROGRAM names it (scripts/wheel.sh); else the wheel is pure."""

import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProgramHook(BuildHookInterface):
    def initialize(self, version, build_data):
        program = os.environ.get("FRAMECACHE_PROGRAM")
        if program and self.target_name == "wheel":
            build_data["pure_python"] = False
            # It takes no part in Python, so one wheel serves every version of it.
            build_data["tag"] = f"py3-none-{os.environ['FRAMECACHE_WHEEL_PLATFORM']}"
            build_data["shared_scripts"][program] = "framecache"
            for licence in filter(None, os.environ.get("FRAMECACHE_WHEEL_LICENCES", "").split(":")):
                build_data["extra_metadata"][licence] = f"licences/{os.path.basename(licence)}"
