"""A recorded run, fed from its tape, does the same again."""

from collections.abc import Iterator
from pathlib import Path

from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.recording import Recorded
from runtime.kernel.sequencer import Sequencer
from runtime.messages.broker import CancelOrder
from runtime.messages.machine import SetTimer, TimerFired
from runtime.messages.market import Bars
from storage.tape import Entry, TapeReader, TapeWriter
from tests.storage.tape.made import MINUTE, bars, header


class Sample(Actor):
    """Commands on every bar, sets a timer, and fails on the third minute unless told not to."""

    fails = True

    def on_bars(self, bars: Bars) -> Iterator[CancelOrder | SetTimer]:
        if self.fails and bars.ts_event == 3 * MINUTE:
            raise ValueError("the third minute")
        yield CancelOrder(
            ts_event=self.now,
            cause=self.seq,
            client_order_id="o",
            broker_order_id="b",
            lot_id="l",
            symbol="SPY",
        )
        yield SetTimer(
            ts_event=self.now, cause=self.seq, actor=self.name, key="k", due=self.now + MINUTE // 2
        )

    def on_timer(self, timer: TimerFired) -> None:
        pass


class Sound(Sample):
    """The same without the fault: replay must skip the message all the same."""

    fails = False


def spec(kind: type[Actor]) -> ActorSpec:
    return ActorSpec(name="sample", rank=1, build=lambda carried: kind())


def told(entry: Entry) -> tuple[object, ...]:
    return entry.seq, entry.at, entry.source, bytes(entry.raw), entry.commands, entry.count, entry.digest


def test_a_run_fed_from_its_tape_does_the_same_again(tmp_path: Path) -> None:
    first = tmp_path / "first.tape"
    with TapeWriter(first, header(), durable=True) as writer:
        live = Sequencer([spec(Sample)], recorder=writer)
        for minute in range(1, 7):
            live.post("market", bars(minute), (minute + 1) * MINUTE)

    entries = list(TapeReader(first))
    assert [entry.source for entry in entries] == ["market", "timer"] * 2 + ["market"] * 2 + [
        "timer",
        "market",
    ] * 2
    crashes = [crash for entry in entries for crash in entry.crashes]
    assert [crash.error for crash in crashes] == ["ValueError: the third minute"]

    second = tmp_path / "second.tape"
    with TapeWriter(second, header(), durable=False) as writer:
        replay = Sequencer(
            [spec(Sound)],
            recorder=writer,
            virtual_time=False,
            recorded=[Recorded(each.actor, each.ordinal, each.message_digest) for each in crashes],
        )
        for entry in entries:
            replay.post(entry.source, entry.message, entry.at)

    assert replay.decisions_hash.digest() == live.decisions_hash.digest()
    assert [told(entry) for entry in TapeReader(second)] == [told(entry) for entry in entries]


def test_a_run_cut_at_any_record_and_re_fed_goes_on_as_if_never_cut(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.tape", tmp_path / "cut.tape"
    with TapeWriter(whole, header(), durable=True) as writer:
        sequencer = Sequencer([spec(Sample)], recorder=writer)
        for minute in range(1, 7):
            sequencer.post("market", bars(minute), (minute + 1) * MINUTE)
    entries, data = list(TapeReader(whole)), whole.read_bytes()

    for record in list(TapeReader(whole).records())[1:]:
        cut.write_bytes(data[: record.offset + 7])  # torn
        writer = TapeWriter.resume(cut)
        resumed = Sequencer([spec(Sample)], recorder=writer, virtual_time=False)
        for entry in TapeReader(cut):
            resumed.post(entry.source, entry.message, entry.at)
        assert resumed.seq == writer.seq
        for entry in entries[writer.seq :]:
            resumed.post(entry.source, entry.message, entry.at)
        writer.close()
        assert [told(entry) for entry in TapeReader(cut)] == [told(entry) for entry in entries]
        assert cut.read_bytes() == data
