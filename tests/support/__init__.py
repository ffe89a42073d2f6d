from .framecache import BINARY, run


def runner_of(name, *arguments, **more):
    """Runs a subcommand that needs no store."""
    return run([BINARY, name, *arguments], **more)
