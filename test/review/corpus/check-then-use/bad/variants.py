import os
from pathlib import Path


def a(path):
    if os.path.exists(path):  # finds: check-then-use
        os.remove(path)


def b(path):
    if not os.path.isdir(path):  # finds: check-then-use
        os.mkdir(path)


def c(path):
    p = Path(path)
    if p.exists():  # finds: check-then-use
        p.unlink()


def d(ip_lib, name):
    if ip_lib.network_namespace_exists(name):  # finds: check-then-use
        ip_lib.delete_network_namespace(name)


def e(path):
    if os.access(path, os.W_OK):  # finds: check-then-use
        with open(path, 'w') as f:
            f.write('x')
