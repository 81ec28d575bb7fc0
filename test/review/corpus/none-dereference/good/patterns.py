import re

LEADING = re.compile(r'(\s*)(.*)')


def option(text):
    pattern = '(tag:(.*),)?(.*)$'
    found = re.match(pattern, text)
    return found.groups()[2]


def indent(text):
    return LEADING.match(text).group(1)


def editable(line):
    if re.match(r'\s*-e\s+', line):
        found = re.match(r'\s*-e\s+(.*)$', line)
        return found.group(1)
    return line


def field(message, key):
    if key not in message:
        value = message.default(key)
        return None if value == 'UNKNOWN' else value
    return message[key]


def keywords(message):
    if 'keywords' in message:
        return field(message, 'keywords').split(',')
    return []
