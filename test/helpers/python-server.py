#!/usr/bin/env python3
"""Runs Python scripts for the tests, each in a fork of this process, which has imported PyTorch once.

Of each line on stdin, `{"id": …, "args": [SCRIPT or -c CODE, …], "folder": …}`, a process of its own runs the
script as `python3 ARGS` would; what it prints goes to `stdout` and `stderr` in the folder. When it has ended, a
line `{"id": …, "status": …}` tells how. The first line on stdout lists which of the wanted packages are there.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import traceback

PACKAGES = ("torch", "torchvision", "safetensors.torch")


def found(package):
    try:
        importlib.import_module(package)
    except Exception:  # A package that does not fit its torch fails in ways of its own.
        return False
    return True


def serve():
    """Answers requests until stdin ends; returns the one that this fork has to run."""
    # Each is waited for by a process of its own, and nobody waits for those.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child = os.fork()
            if child == 0:
                return request
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            tell({"id": request["id"], "status": status})
            os._exit(0)
    return None


def tell(answer):
    # Short lines in one piece, though several processes write them.
    os.write(1, (json.dumps(answer) + "\n").encode())


def redirect(folder):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT), number)


def run(args):
    if args[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *args[2:]], ""
        exec(compile(args[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = args, os.path.dirname(args[0])
        runpy.run_path(args[0], run_name="__main__")


def status_of(args):
    """Runs the script, and says with which status Python would end."""
    try:
        run(args)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main():
    sys.dont_write_bytecode = True
    # Else a script beside this one would be found in the place of a package.
    sys.path[0] = ""
    tell([package for package in PACKAGES if found(package)])
    request = serve()
    if request:
        redirect(request["folder"])
        status = status_of(request["args"])
        sys.stdout.flush()
        sys.stderr.flush()
        # Taking PyTorch down in good order would need half a second.
        os._exit(status)


main()
