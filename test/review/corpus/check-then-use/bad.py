import os


def read(path):
    if os.path.exists(path):  # finds: check-then-use
        with open(path) as handle:
            return handle.read()
    return None


def prepare(folder):
    if not os.path.isdir(folder):  # finds: check-then-use
        os.makedirs(folder)
