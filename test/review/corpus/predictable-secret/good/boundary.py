import random
import sys


def make_boundary():
    token = random.randrange(sys.maxsize)
    return '=' * 15 + str(token)
