"""Sends alerts and waits no longer than allowed: from a running loop, from a command, at the very end."""

import asyncio
from collections.abc import Sequence

import anyio

from actors.alerting.notices import Notice
from actors.alerting.router import Alert, Router
from actors.notify.courier import Courier
from config.alerts import Alerts
from config.secrets import Secrets, to_hide
from runtime.kernel.clock import Clock, LiveClock, happens_by
from runtime.redaction import Redactor
from runtime.text import one_line

_SECOND = 1_000_000_000


async def deliver(courier: Courier, alert: Alert | None, clock: Clock, limit: int) -> str:
    """Have an alert sent, and wait for it no longer than the limit.

    Args:
        alert: None: only have the courier get ready. limit: ns.

    Returns:
        Why it was not sent, or empty.
    """
    if courier.is_busy:
        return "it is still busy with an earlier alert"
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    answers: list[str] = []

    def tell(failure: str) -> None:
        answers.append(failure)
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    courier.start(alert, tell)
    if not await happens_by(clock, done, clock.now() + limit):
        return f"no answer within {limit / _SECOND:g} s"
    return answers[0]


def send_all(couriers: Sequence[Courier], alert: Alert, limit: int) -> dict[str, str]:
    """Send one alert where no loop runs; why each sink did not take it, or nothing.

    Args:
        limit: ns that all of it may take.
    """
    results = {courier.name: "" for courier in couriers}

    async def send_each() -> None:
        async def send(courier: Courier) -> None:
            results[courier.name] = await deliver(courier, alert, LiveClock(), limit)

        async with anyio.create_task_group() as group:
            for courier in couriers:
                group.start_soon(send, courier)

    anyio.run(send_each)
    return results


def tell_of_the_end(settings: Alerts, secrets: Secrets, account: str, error: Exception) -> dict[str, str]:
    """Tell that the engine has ended with an error, where a rule wants it told.

    Args:
        account: `paper` or `live`.

    Returns:
        Why each sink asked did not take it, or nothing.
    """
    notice = Notice(
        event="engine_failed",
        level="CRITICAL",
        component="engine",
        title="the engine has ended with an error: nothing trades",
        body=one_line(Redactor(to_hide(secrets)).text(f"{type(error).__name__}: {error}"), 500)
        + "\nStops and targets stay at the broker; intraday positions are closed by a running engine only.",
    )
    router = Router(settings, tuple(secrets.alert_sinks))
    alerts = router.take(notice, LiveClock().now(), "engine-failed")
    wanted = {name for alert in alerts for name in alert.sinks}
    if not wanted:
        return {}
    couriers = [
        Courier(name, address, account.upper(), to_hide(secrets))
        for name, address in secrets.alert_sinks.items()
        if name in wanted
    ]
    return send_all(couriers, alerts[0], round(settings.timeout_s * _SECOND))
