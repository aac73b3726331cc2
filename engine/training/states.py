"""Where a run stands, as the process says it and as people read it."""

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands. The process says the four in the middle, and `Outcome` names the first three of its ends."""

    WAITING = "waiting"
    STARTING = "starting"
    TRAINING = "training"
    PAUSED = "paused"
    FINISHING = "finishing"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def label(self) -> str:
        """Its name for people."""
        return {RunState.FINISHED: "Done", RunState.FAILED: "Ended"}.get(self, self.value.capitalize())

    @property
    def has_process(self) -> bool:
        """Whether a process works, or could go on working, at it."""
        return self in (RunState.STARTING, RunState.TRAINING, RunState.PAUSED, RunState.FINISHING)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return not (self.has_process or self is RunState.WAITING)

    @property
    def can_stop(self) -> bool:
        """Whether Stop would change anything: a run that takes its last samples ends by itself."""
        return not self.is_over and self is not RunState.FINISHING

    @property
    def can_pause(self) -> bool:
        """Whether there is a next step to wait before."""
        return self in (RunState.STARTING, RunState.TRAINING)
