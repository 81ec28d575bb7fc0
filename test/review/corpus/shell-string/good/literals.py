import os
import tempfile


def editor():
    for program in 'sensible-editor', 'vim', 'nano':
        if os.system(f'which {program} >/dev/null 2>&1') == 0:
            return program
    return 'vi'


def page(text):
    handle, name = tempfile.mkstemp()
    os.write(handle, text)
    os.close(handle)
    os.system(f'more "{name}"')
