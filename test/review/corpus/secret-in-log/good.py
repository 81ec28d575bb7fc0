import logging

LOG = logging.getLogger(__name__)


def login(user, password):
    LOG.debug('login of %s, password of %d characters', user, len(password))


def connect(config):
    LOG.info('connecting with %s', mask_password(config.api_key))


def issued(token_id, token_count):
    LOG.info('token %s of %s', token_id, token_count)
