def to_python(value):
    if isinstance(value, list) and len(value) == 2:
        if value[0] == 'set':
            return set(value[1])
        elif value[0] == 'map':
            return dict(value[1])
        elif value[0] == 'uuid':
            return value[1].lower()
    return value
