"""gRPC's support for forks: it reads the variable once, when it is imported, so this module is imported first."""

import os
import sys

_NAME = "GRPC_ENABLE_FORK_SUPPORT"
_TRUE = ("1", "t", "true", "y", "yes", "on")

_late = "grpc" in sys.modules
if not _late:
    os.environ.setdefault(_NAME, "1")
FORK_SUPPORTED = os.environ.get(_NAME, "0").lower() in _TRUE
