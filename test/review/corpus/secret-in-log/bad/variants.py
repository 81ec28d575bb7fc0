import logging
import random
LOG = logging.getLogger(__name__)


def a(user, password):
    LOG.debug('login of %s with %s', user, password)  # finds: secret-in-log


def b(conf):
    LOG.info(f'token {conf.auth_token}')  # finds: secret-in-log


def c(conf):
    logging.warning('key ' + conf['api_key'])  # finds: secret-in-log


def d():
    token = ''.join(random.choice('abc') for _ in range(20))  # finds: predictable-secret
    return token
