import logging

LOG = logging.getLogger(__name__)


def restore(tables):
    for table in tables:
        try:
            table.restore()
        except Exception:
            LOG.exception('table %s', table)


def remove(path):
    try:
        path.unlink()
    except FileNotFoundError:
        pass


def attempt(work):
    try:
        work()
    except Exception as error:
        return error
