import random
import string


def make_token():
    token = ''.join(random.choice(string.ascii_letters) for _ in range(32))  # finds: predictable-secret
    return token
