import os.path


def source_of(build_file, dist):
    if not os.path.exists(build_file):
        rewritten = build_file.replace('.', '/') + '.py'
        return rewritten
    if dist.is_file('top_level.txt'):
        return dist.read_text('top_level.txt')
    return build_file
