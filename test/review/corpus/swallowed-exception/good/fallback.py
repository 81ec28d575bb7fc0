def resolve(host, literal, ask):
    try:
        return literal(host)
    except Exception:
        pass
    return ask(host)


def version(text):
    try:
        number = float(text)
    except Exception:
        pass
    else:
        return str(number)
    return text.lstrip('v')
