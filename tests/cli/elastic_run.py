"""The command line in a process that torchrun started; the second process is killed once, in the midst of training."""

import os
import signal
import sys
from pathlib import Path

from ganaug.cli import main
from ganaug.objectives.adversarial import objective


def kill_once(marker):
    step, calls = objective.adversarial_step, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 8:
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments)

    objective.adversarial_step = killed


if __name__ == "__main__":
    marker = Path(os.environ["KILLED"])
    if os.environ["RANK"] == "1" and not marker.exists():
        kill_once(marker)
    main(sys.argv[1:])
