import os


def read(path):
    try:
        with open(path) as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def prepare(folder):
    os.makedirs(folder, exist_ok=True)


def other(path, target):
    if os.path.exists(path):
        with open(target) as handle:
            return handle.read()
    return None


def remove(path):
    if os.path.exists(path):
        try:
            os.remove(path)
        except FileNotFoundError:
            return False
    return True
