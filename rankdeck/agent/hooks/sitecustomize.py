"""Loaded by Python ranks: records an uncaught exception, writes down the stacks when asked.

Otherwise it stays out of the way.

Whatever happens here, the rank's program runs as it would without: the environment is restored,
the `sitecustomize` that would have been loaded is loaded, the exception is shown as always.
"""

import os
import sys


def _leave_path() -> None:
    """Take this folder out of the path again, for this process and its children."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != here]
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    places = [place for place in places if place != here]
    if any(places):
        os.environ["PYTHONPATH"] = os.pathsep.join(places)
    else:
        os.environ.pop("PYTHONPATH", None)


def _chain() -> None:
    """Load the `sitecustomize` that this one stands in front of."""
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


def _record(path: str, value: BaseException) -> None:
    import json
    import time
    import traceback

    told = traceback.format_exception_only(type(value), value)[-1].strip()
    stack = "".join(traceback.format_exception(type(value), value, value.__traceback__))
    now = time.time()
    # torchrun reads `timestamp` with int(); `time` is the precise one, for ordering failures
    extra = {"py_callstack": stack, "timestamp": "%d" % now, "time": "%.6f" % now}
    text = json.dumps({"message": {"message": told, "extraInfo": extra}})
    targets = [path]
    elastic = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if elastic and not os.path.exists(elastic):
        targets.append(elastic)
    for target in targets:
        temporary = "%s.%d" % (target, os.getpid())
        with open(temporary, "w") as file:
            file.write(text)
        os.rename(temporary, target)


# rankdeck.agent.signals sends it, to processes that catch it; kept out of glibc's and of what
# programs choose, which begin at the other end
_STACKS_SIGNAL = 61
# programs that close all they do not know get the low numbers for their own files afterwards
_STACKS_FD = 240


def _listen(path: str) -> None:
    """Have every thread's stack appended to a file on a signal, also while the GIL is held."""
    try:
        import faulthandler

        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fstat(_STACKS_FD)
        except OSError:
            os.dup2(fd, _STACKS_FD, inheritable=False)
            os.close(fd)
            fd = _STACKS_FD
        faulthandler.register(_STACKS_SIGNAL, file=fd, all_threads=True)
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError):
        # no room, or no such module in this interpreter: whoever asks hears that nobody answers
        return


def _install() -> None:
    path = os.environ.pop("RANKDECK_ERROR_FILE", None)
    pid = os.environ.pop("RANKDECK_RANK_PID", None)
    if path is None or pid != str(os.getpid()):
        return
    if path.endswith(".error.json"):
        _listen(path[: -len(".error.json")] + ".stacks")
    previous = sys.excepthook

    def hook(kind, value, trace):  # type: ignore[no-untyped-def]
        try:
            if os.getpid() == int(pid):  # not in a forked child
                _record(path, value)
        except Exception as error:
            sys.stderr.write("rankdeck: this error could not be recorded: %r\n" % (error,))
        finally:
            previous(kind, value, trace)

    sys.excepthook = hook


_leave_path()
_install()
_chain()
