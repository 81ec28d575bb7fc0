import ssl

import requests


def context(insecure_skip_verify):
    made = ssl.create_default_context()
    if insecure_skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


class SSLContext:
    def __init__(self):
        self.verify_mode = ssl.CERT_NONE


def session(options):
    made = requests.Session()
    if options.get('insecure', False) is True:
        made.session.verify = False
    return made
