"""What pytest leaves out: modules of an extra that `make test` does not install."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("ray") else ["src/tunesmith/stages/serve/ray_pool.py"]
