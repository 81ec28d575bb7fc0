from contextlib import suppress


def children(path):
    with suppress(Exception):
        return path.names()
    return []


def forget(path):
    with suppress(FileNotFoundError):
        path.unlink()
