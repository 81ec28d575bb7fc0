def a(job):
    try:
        job.run()
    except:  # finds: swallowed-exception
        pass


def c(jobs):
    for job in jobs:
        try:
            job.run()
        except Exception as e:  # finds: swallowed-exception
            continue


def d(job):
    try:
        job.run()
    except BaseException:  # finds: swallowed-exception
        ...


import contextlib


def e(job):
    with contextlib.suppress(Exception):  # finds: swallowed-exception
        job.run()
