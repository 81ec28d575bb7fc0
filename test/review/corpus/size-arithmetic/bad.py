def halves(items):
    middle = items[: len(items) / 2]  # finds: size-arithmetic
    return middle
