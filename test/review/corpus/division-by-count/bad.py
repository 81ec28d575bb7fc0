def mean(samples):
    return sum(samples) / len(samples)  # finds: division-by-count
