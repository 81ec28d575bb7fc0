def mean(samples):
    if not samples:
        return 0
    return sum(samples) / len(samples)


def text(samples):
    return '%d samples' % len(samples)
