def halves(items):
    middle = items[: len(items) // 2]
    share = 1 / 3
    return middle, share
