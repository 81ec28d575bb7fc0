import logging

LOG = logging.getLogger(__name__)


def login(user, password):
    LOG.debug('login of %s with %s', user, password)  # finds: secret-in-log


def connect(config):
    LOG.info(f'connecting with {config.api_key}')  # finds: secret-in-log
