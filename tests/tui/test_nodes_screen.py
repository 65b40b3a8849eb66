from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.widgets import Input

from rankdeck import backend as registry
from rankdeck.backend_reach import NodeAnswer
from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft
from rankdeck.nodes.inventory import find_nodes
from rankdeck.nodes.notes import NodeNote, NodeNotes
from rankdeck.run.state import Failure, RunPhase
from tests.tui import fake_backend, hostile
from tests.tui.fake_run import NOW, write_cluster_run
from tests.tui.pilot import SMALL, WIDE, make_deck, screen_text, until, until_shown
from tests.tui.test_hostile_screens import assert_plain
from tui.screens.nodes import NodesScreen
from tui.screens.page import PageScreen
from tui.widgets.bars import LineBar
from tui.widgets.node_table import NodeTable
from tui.widgets.prompt_line import PromptLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from rankdeck.ask import Ask
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from tui.deck import Deck

FACTS = (
    b'{"host":"%s","python":"/usr/bin/python3","version":"3.11.2","torch":"2.4.0","cpus":64,'
    b'"gpus":8,"free":1099511627776,"missing":[],"clock":%d,"load":3.5,"memory":1099511627776,'
    b'"memory_free":549755813888,"gpu_names":["NVIDIA H100"]}'
)


class ReachingBackend(fake_backend.ClusterBackend):
    """Reaches its nodes, but for those it knows to be down."""

    name = "reaching"
    down: Mapping[str, str] = {}
    asked: int = 0
    refuses = ""

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        return find_nodes(spec, {})

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        if self.refuses:
            ask.confirm(self.refuses, "its key")
        return {}

    def run_on_nodes(
        self,
        spec: JobSpec,
        nodes: Sequence[Node],
        secrets: Mapping[str, str],
        command: str,
        data: bytes,
    ) -> Iterator[NodeAnswer]:
        type(self).asked += 1
        for node in nodes:
            why = self.down.get(node.name, "")
            yield NodeAnswer(
                node=node.name,
                began=NOW,
                ended=NOW,
                output=b"" if why else FACTS % (node.name.encode(), NOW),
                status=None if why else 0,
                category="ssh-timeout" if why else "",
                trouble=why,
                hint="is it switched on?" if why else "",
            )


@pytest.fixture
def reaching(monkeypatch: pytest.MonkeyPatch) -> type[ReachingBackend]:
    monkeypatch.setitem(registry._SHIPPED, "reaching", f"{__name__}:ReachingBackend")
    monkeypatch.setitem(registry._SHIPPED_OPTIONS, "reaching", "tests.tui.fake_backend")
    monkeypatch.setattr(ReachingBackend, "down", {})
    monkeypatch.setattr(ReachingBackend, "asked", 0)
    monkeypatch.setattr(ReachingBackend, "refuses", "")
    monkeypatch.setattr("tui.controller.Controller._adopt", lambda self, run_id: None)
    return ReachingBackend


@pytest.fixture
def draft(tmp_path: Path) -> JobDraft:
    path = tmp_path / "hosts"
    path.write_text("node[01-16] slots=8\ngpu[1-2] slots=4\n")
    return JobDraft(backend="reaching", hostfile=str(path), project=str(tmp_path))


async def opened(pilot: Pilot[None], deck: Deck, draft: JobDraft) -> NodesScreen:
    screen = NodesScreen(draft)
    deck.push_screen(screen)
    await until_shown(pilot, "18 nodes")
    await until(pilot, lambda: not screen._survey.asking)
    await until(pilot, lambda: not screen._survey.changed)
    return screen


async def typed(pilot: Pilot[None], key: str, text: str) -> None:
    await pilot.press(key)
    line = pilot.app.screen.query_one(PromptLine)
    assert line.is_open
    line.query_one(Input).value = text
    await pilot.pause()
    await pilot.press("enter")
    await pilot.pause()


def expression(deck: Deck) -> str:
    return screen_text(deck).splitlines()[-2].strip()


def chosen(deck: Deck) -> list[str]:
    return [row.name for row in deck.screen.query_one(NodeTable).rows if row.chosen is not None]


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_nodes_are_shown_with_what_they_have(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend], size: tuple[int, int]
) -> None:
    reaching.down = {"node03": "node03 does not answer on port 22"}
    failure = Failure(rank=1, node="node005", category="x", summary="NCCL timed out")
    write_cluster_run(home, "blamed", RunPhase.FAILED, nodes=6, failure=failure)
    deck = make_deck(home)
    async with deck.run_test(size=size) as pilot:
        await opened(pilot, deck, draft)
        lines = screen_text(deck).splitlines()
        assert all(len(line) == size[0] for line in lines)
        good = next(line for line in lines if " node01 " in line)
        bad = next(line for line in lines if " node03 " in line)
        assert "✔" in good
        assert "● ready" in good
        assert "✖ unreachable" in bad
        assert "node03 does" in bad
        if size[0] >= 110:
            assert "3.5" in good
            assert "512.0 GiB" in good
        assert "18 nodes · 18 chosen · 1 bad" in lines[0]
        assert "18 of 18, 136 slots: every node" in expression(deck)


async def test_include_and_exclude_by_key_and_the_expression_follows(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await pilot.press("j", "j", "minus")
        assert expression(deck).endswith("--exclude node03")
        await pilot.press("j", "space", "space", "x")
        assert expression(deck).endswith("--exclude 'node[03-05]'")
        await pilot.press("tilde")
        assert expression(deck).endswith("--include 'node[03-05]'")
        assert chosen(deck) == ["node03", "node04", "node05"]
        await pilot.press("ctrl+a", "minus")
        assert "nothing is chosen" in expression(deck)
        await pilot.press("a")
        assert expression(deck).endswith("every node")


async def test_a_range_marks_nodes(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await typed(pilot, "m", "node[02-04,16],gpu1")
        assert "5 marked" in screen_text(deck)
        await pilot.press("minus")
        assert chosen(deck)[:3] == ["node01", "node05", "node06"]
        assert len(chosen(deck)) == 13
        await pilot.press("m", *"node99")
        await until_shown(pilot, "there is no node node99")
        await pilot.press("enter")
        assert deck.screen.query_one(PromptLine).is_open
        await pilot.press("escape")
        assert not deck.screen.query_one(PromptLine).is_open


async def test_the_expression_is_edited_and_the_marks_follow(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await typed(pilot, "e", "--include node[01-02],gpu1:0,1")
        assert chosen(deck) == ["node01", "node02", "gpu1"]
        assert "--include 'node[01-02],gpu1:0,1'" in expression(deck)
        assert "18 slots" in expression(deck)
        assert "✔ 0-1" in screen_text(deck)
        await pilot.press("e")
        line = deck.screen.query_one(PromptLine)
        assert line.text == "--include 'node[01-02],gpu1:0,1'"
        line.query_one(Input).value = "--exclude nodeX"
        await until_shown(pilot, "'nodeX' is not in")
        assert chosen(deck) == ["node01", "node02", "gpu1"]
        line.query_one(Input).value = "--exclude gpu1"
        await until(pilot, lambda: len(chosen(deck)) == 17)
        await pilot.press("escape")
        await pilot.pause()
        assert chosen(deck) == ["node01", "node02", "gpu1"]
        await pilot.press("a")
        await typed(pilot, "number_sign", "0-3")
        assert expression(deck).endswith("--exclude node01:4-7")
        await typed(pilot, "number_sign", "9")
        assert "node01 has no slot 9" in screen_text(deck)


async def test_a_mistake_in_a_line_is_told_in_full_and_the_keys_are_those_of_the_line(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24)) as pilot:
        await opened(pilot, deck, draft)
        await pilot.press("e")
        await until_shown(pilot, "enter ok  esc cancel")
        assert "enter details" not in screen_text(deck)
        line = deck.screen.query_one(PromptLine)
        line.query_one(Input).value = "--include node[01-04],node99"
        note = line.query_one("#prompt-note")
        await until(pilot, lambda: note.region.height > 1)
        await until_shown(pilot, "node09?)")
        await pilot.press("escape")
        await until_shown(pilot, "enter details")


async def test_a_notice_covers_neither_the_expression_nor_the_keys(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, deck, draft)
        await pilot.press("x", "u")
        await until_shown(pilot, "every chosen node is usable")
        text = screen_text(deck)
        assert "--exclude node01" in text
        assert "? help" in text


async def test_what_is_noted_is_seen_where_the_node_is_bad(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    reaching.down = {"node01": "no route to it " * 6}
    deck = make_deck(home)
    NodeNotes(home).write("node01", "bad NVLink", avoid=True)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await until_shown(pilot, "✖ unreachable")
        row = next(r for r in screen_text(deck).splitlines() if "✖ unreachable" in r)
        assert "bad NVLink" in row
        about = deck.screen.query_one("#about-node", LineBar)
        told = "".join(text for line in about.lines for text, _ in line)
        assert told.index("no route") < told.index("note: ")


async def test_bad_nodes_are_left_out_and_found(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    reaching.down = {"node07": "no route", "node08": "no route"}
    deck = make_deck(home)
    NodeNotes(home).write("gpu2", "bad NVLink", avoid=True)
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await opened(pilot, deck, draft)
        assert "⊘ avoid" in screen_text(deck)
        await pilot.press("slash", *"state", "colon", *"bad", "enter")
        table = deck.screen.query_one(NodeTable)
        await until(pilot, lambda: [r.name for r in table.rows] == ["node07", "node08", "gpu2"])
        assert "3 of 18 shown" in screen_text(deck)
        await pilot.press("u")
        await until_shown(pilot, "left out: node[07-08],gpu2")
        assert "--exclude 'gpu2,node[07-08]'" in expression(deck)
        await pilot.press("escape")
        assert len(table.rows) == 18
        assert isinstance(deck.screen, NodesScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(deck.screen, NodesScreen))


async def test_a_note_is_written_kept_and_forgotten(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await typed(pilot, "t", "avoid until 2090-01-01: bad NVLink")
        await until_shown(pilot, "⊘ avoid")
        assert "avoid until 2090-01-01: bad NVLink" in screen_text(deck)
        assert NodeNotes(home).read()["node01"].avoid
        await pilot.press("t")
        assert deck.screen.query_one(PromptLine).text == "avoid until 2090-01-01: bad NVLink"
        await pilot.press("escape")
        await typed(pilot, "t", "")
        await until(pilot, lambda: NodeNotes(home).read() == {})


async def test_a_read_only_deck_writes_no_note(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    deck.controller.read_only = True
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await opened(pilot, deck, draft)
        await pilot.press("t")
        await until_shown(pilot, "read-only")
        screen = deck.screen
        assert isinstance(screen, NodesScreen)
        screen._survey.note(("node01",), NodeNote(text="x"), lambda: None)
        await pilot.pause(0.2)
        assert NodeNotes(home).read() == {}


async def test_details_tell_facts_runs_and_failures(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend], tmp_path: Path
) -> None:
    (tmp_path / "hosts").write_text("node[001-018] slots=8\n")
    failure = Failure(rank=1, node="node001", category="x", summary="NCCL timed out here")
    write_cluster_run(home, "blamed", RunPhase.FAILED, nodes=2, failure=failure)
    write_cluster_run(home, "busy", RunPhase.RUNNING, nodes=1, age=100)
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await until_shown(pilot, "busy")
        await pilot.press("enter")
        assert isinstance(deck.screen, PageScreen)
        text = screen_text(deck)
        for part in ("NVIDIA H100", "64  load 3.50", "512.0 GiB of", "NCCL timed out here", "busy"):
            assert part in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(deck.screen, NodesScreen))


async def test_where_nodes_are_picked_enter_gives_the_choice(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    deck = make_deck(home)
    given: list[tuple[str, str]] = []
    async with deck.run_test(size=WIDE) as pilot:
        draft = msgspec.structs.replace(draft, include="node[01-04]")
        deck.push_screen(NodesScreen(draft, picked=lambda *words: given.append(words)))
        await until_shown(pilot, "18 nodes · 4 chosen")
        keys = screen_text(deck).splitlines()[-1]
        assert "enter take these" in keys
        assert "details" not in keys
        assert "new job" not in keys
        await pilot.press("minus", "enter")
        await until(pilot, lambda: not isinstance(deck.screen, NodesScreen))
    assert given == [("node[02-04]", "")]


async def test_nodes_are_not_asked_questions_unbidden(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    reaching.refuses = "Trust [/node01]?"
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        await opened(pilot, deck, draft)
        await until_shown(pilot, "Trust [/node01]? (nobody can be asked here) · p asks")
        assert "● ready" in screen_text(deck)
        await pilot.press("p")
        await until_shown(pilot, "its key")
        await pilot.press("y")
        await until(pilot, lambda: reaching.asked == 2)
        await until(pilot, lambda: "p asks again" not in screen_text(deck))


async def test_what_keeps_nodes_from_being_listed_is_told(home: Path, tmp_path: Path) -> None:
    bad = tmp_path / "hosts"
    bad.write_text("node[3-1] slots=8\n")
    deck = make_deck(home)
    async with deck.run_test(size=WIDE) as pilot:
        deck.push_screen(NodesScreen(JobDraft(backend="ssh", hostfile=str(bad))))
        await until_shown(pilot, "backward")
        await until_shown(pilot, "b looks elsewhere: local")
        for key in ("plus", "minus", "enter", "space", "u", "tilde", "y", "p", "i"):
            await pilot.press(key)
        await typed(pilot, "b", "local")
        await until_shown(pilot, "1 node · 1 chosen")
        await until_shown(pilot, "● ready")


async def test_hostile_notes_and_troubles_stay_text(
    home: Path, draft: JobDraft, reaching: type[ReachingBackend]
) -> None:
    texts = [line.decode(errors="replace") for line in hostile.CORPUS]
    names = [f"node{n:02}" for n in range(1, 17)] + ["gpu1", "gpu2"]
    deck = make_deck(home)
    for number, name in enumerate(names):
        if number % 2:
            NodeNotes(home).write(name, texts[number], avoid=bool(number % 3))
    reaching.down = {name: texts[n + 10] for n, name in enumerate(names) if n % 3 == 0}
    async with deck.run_test(size=WIDE, notifications=True) as pilot:
        await opened(pilot, deck, draft)
        for _ in names:
            assert_plain(deck)
            await pilot.press("enter")
            await pilot.pause()
            assert_plain(deck)
            await pilot.press("escape", "t")
            await pilot.pause()
            assert_plain(deck)
            await pilot.press("escape", "j")
            await pilot.pause()
        deck.tell(UserError(texts[3]))
        await pilot.pause()
        assert_plain(deck)
