def convert(path, out, fail):
    try:
        stream = open(out, 'w')
    except OSError as error:
        return fail('cannot open', error)
    try:
        stream.write(path)
    finally:
        stream.close()


def convert_here(path, out, fail):
    try:
        stream = open(out, 'w')
    except OSError as error:
        return fail('cannot open', error)
    stream.close()
    return path
