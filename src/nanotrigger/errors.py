"""The errors that a user can meet: one message each, which names the key, file or model and the remedy."""

from nanotrigger.redaction import redacted


class NanotriggerError(Exception):
    """Base of every error whose message is meant for the user; shown without a traceback, and without secrets."""

    def __str__(self) -> str:
        return redacted(super().__str__())


class ConfigError(NanotriggerError):
    """The configuration cannot be run as written."""


class DataError(NanotriggerError):
    """A dataset is missing, damaged or not what it claims to be."""


class ExportError(NanotriggerError):
    """A trained model cannot be written exactly, or its file does not reproduce it."""


class ToolError(NanotriggerError):
    """An external program is missing, failed, or left something that cannot be read."""


class NotRun(NanotriggerError):
    """A step that cannot run on this machine; its message is the reason. The row says so and claims nothing."""
