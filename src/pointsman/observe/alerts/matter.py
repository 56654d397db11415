"""One thing that can be wrong: told once when it begins, again when it is over, and little in between."""

from __future__ import annotations

from pointsman.observe.alerts.alert import Alert, Details, Kind, State, Thresholds, length, nanos


class Matter:
    """The course of one trouble. All times are nanoseconds since the epoch, handed in.

    What ends is told after it has rested for a while (`Thresholds.settle`): one that is back before then has not ended.
    What begins often is told as flapping, once, and over when it has rested for longer (`flap_window`).
    """

    def __init__(self, kind: Kind, subject: str) -> None:
        self._kind = kind
        self._subject = subject
        self._says = ""
        self._details: Details = {}
        self._begun: list[int] = []  # beginnings within the flap window
        self._since = self._remind_at = self._times = 0
        self._told = self._flaps = False
        self.wrong = False
        self._ended = 0

    def begin(self, now: int, says: str, details: Details, rules: Thresholds) -> Alert | None:
        """It is wrong; what to tell."""
        self._says, self._details = says, details
        if self.wrong:
            return None
        self.wrong = True
        self._forget_before(now - nanos(rules.flap_window))
        self._begun = [*self._begun[-rules.flaps :], now]
        flaps = len(self._begun) >= rules.flaps
        if self._told:
            self._times += 1
            if not flaps or self._flaps:
                return None
        else:
            self._told, self._since, self._times = True, now, 1
            self._remind_at = now + nanos(rules.reminder)
        if not flaps:
            return self._alert("firing", now, says)
        self._flaps = True
        within = length(now - self._begun[0])
        text = f"{self._subject} flaps: {len(self._begun)} times in {within}. Now: {says}"
        return self._alert("flapping", now, text)

    def end(self, now: int) -> None:
        """It is not wrong any more; `tick` tells."""
        if self.wrong:
            self.wrong, self._ended = False, now

    def tick(self, now: int, rules: Thresholds) -> Alert | None:
        """What time alone brings: that it is over, or still is not."""
        if not self._told:
            return None
        rest = nanos(rules.flap_window if self._flaps else rules.settle)
        if not self.wrong and now - self._ended >= rest:
            return self._over(now)
        if now < self._remind_at:
            return None
        self._remind_at = now + nanos(rules.reminder)
        return self._alert("reminder", now, f"for {length(now - self._since)} now: {self._says}")

    def rests(self, now: int, rules: Thresholds) -> bool:
        """Whether nothing of it need be kept."""
        self._forget_before(now - nanos(rules.flap_window))
        return not (self.wrong or self._told or self._begun)

    def _over(self, now: int) -> Alert:
        lasted = length(self._ended - self._since)
        often = f", {self._times} times in that time" if self._times > 1 else ""
        alert = self._alert("resolved", now, f"{_END[self._kind].format(self._subject)} after {lasted}{often}")
        self._told = self._flaps = False
        return alert

    def _alert(self, state: State, now: int, summary: str) -> Alert:
        return Alert(
            kind=self._kind,
            state=state,
            subject=self._subject,
            summary=summary,
            at=now,
            since=self._since,
            until=self._ended if state == "resolved" else None,
            times=self._times,
            details=self._details,
        )

    def _forget_before(self, moment: int) -> None:
        while self._begun and self._begun[0] < moment:
            del self._begun[0]


_END: dict[Kind, str] = {
    "breaker_open": "{} is asked again",
    "provider_down": "provider {} is back",
    "route_down": "route {} answers again",
    "failover_rate": "route {} is back below its threshold of failovers",
    "spend_rate": "spending of {} is back below its limit",
    "spend_forecast": "the forecast for {} is back below what is planned",
    "call_cost": "no call to {} has cost too much any more",
    "unpriced_model": "{} has a price now, or is not used any more",
    "price_change": "the price of {} is as told",
    "budget_used": "budget {}: used no more, or a new period has begun",
    "reconciliation_drift": "the bill of {} and the ledger agree again",
    "test": "{} is over",
}
