"""A gateway's crash as an entry on its way to `error_log`."""

from collections.abc import Callable

import msgspec

from runtime.error_sink import ErrorSink
from runtime.kernel.supervisor import GatewayCrash


def recorder_of(errors: ErrorSink) -> Callable[[GatewayCrash], None]:
    """What a supervisor tells of crashes, for `Supervisor(record=...)`."""

    def record(crash: GatewayCrash) -> None:
        errors.put(
            timestamp=crash.at,
            level="ERROR" if crash.verdict in ("restart", "stopping") else "CRITICAL",
            logger_name="runtime.kernel.supervisor",
            message=f"{crash.gateway} crashed ({crash.verdict}): {crash.error}",
            source_file=crash.source_file,
            line_number=crash.line_number,
            exception_type=crash.exception_type,
            exception_traceback=crash.traceback,
            component=crash.gateway,
            context=msgspec.json.encode(
                {"message_type": crash.message_type, "attempt": crash.attempt, "delay_ns": crash.delay}
            ).decode(),
        )

    return record
