"""What the user can do to a run from its screen: end it, run it again, signal it, go to a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from rankdeck.run.layout import RunDir
from tui.looks import counted, safe
from tui.screens.run_events import EventsPane
from tui.screens.run_failure import FailureCard
from tui.screens.run_loads import RunLoads
from tui.widgets.node_load import NodeLoad, node_rows
from tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.errors import UserError
    from rankdeck.run.view import NodeView, RunSnapshot
    from tui.feed import RunFacts
    from tui.screens.page import PageScreen
    from tui.screens.run_logs import RunLogs
    from tui.screens.run_panes import RunPrompt
    from tui.widgets.rank_grid import RankGrid


class RunDoing(RunLoads):
    """The actions of the run screen that reach beyond it."""

    facts: RunFacts | None
    hang: Hang | None
    logs: RunLogs
    grid: RankGrid
    events_pane: EventsPane
    prompt: RunPrompt
    _details: tuple[PageScreen, str] | None = None
    """The page of a node that was opened last, and the node's name."""

    if TYPE_CHECKING:

        def action_pane(self, name: str) -> None:
            """Show a pane and give it the keys: the screen does."""

    def to_blame(self) -> tuple[str, ...]:
        """The nodes that a rerun could do without."""
        from rankdeck.run.blame import blamed

        if self.facts is None:
            return ()
        run = self.facts.snapshot.run
        found = tuple(blame.node for blame in blamed(run))
        if not found and run.failure is not None and run.failure.node and run.nnodes > 1:
            return (run.failure.node,)
        return found if len(found) < run.nnodes else ()

    # -- the run ----------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the run after asking."""
        self._end(kill=False)

    def action_kill(self) -> None:
        """Kill the run after asking."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self.facts is not None:
            run = self.facts.snapshot.run
            self.deck.end_run(run.id, run.name, run.state, run.world_size, kill=kill)

    def action_rerun(self) -> None:
        """Open the form on the run's job."""
        self.deck.open_form(self.run_id)

    def action_rerun_without(self) -> None:
        """Open the form on the run's job, without the nodes that are to blame."""
        nodes = self.to_blame()
        if not nodes:
            self.notify("no node is to blame", markup=False, timeout=4)
            return
        self.deck.open_form(self.run_id, exclude=nodes)

    def action_signal(self) -> None:
        """Ask which signal to send, and to whom."""
        from tui.screens.run_signal import SignalScreen, Wish

        if self.facts is None:
            return
        snapshot = self.facts.snapshot
        if snapshot.run.state.final:
            self.notify(f"{safe(snapshot.run.name)} has already ended", markup=False)
            return
        rank = snapshot.ranks[min(self.grid.selected, len(snapshot.ranks) - 1)]
        of_node = tuple(r.rank for r in snapshot.ranks if r.node == rank.node)
        targets = (
            (f"rank {rank.rank}", (rank.rank,)),
            (f"the {counted(len(of_node), 'rank')} on {safe(rank.node)}", of_node),
            (f"all {len(snapshot.ranks):,} ranks", ()),
        )

        def chosen(wish: Wish | None) -> None:
            if wish is not None:
                self._signal(wish)

        self.app.push_screen(SignalScreen(targets), chosen)

    def _signal(self, wish: object) -> None:
        from tui.screens.run_signal import Wish

        assert isinstance(wish, Wish)
        run = RunDir(self.controller.store.runs_dir / self.run_id)

        def job() -> None:
            import time

            from rankdeck.cli.common import whoami
            from rankdeck.run.control import RunCommand, RunCommandKind, send_command
            from rankdeck.run.launch import ensure_supervised

            command = RunCommand(
                command=RunCommandKind.SIGNAL,
                signal=wish.signal,
                ranks=wish.ranks,
                by=whoami(),
                time=time.time(),
            )
            send_command(run, command)
            ensure_supervised(run)

        def done(_: object, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            else:
                told = f"{wish.signal} asked for; the events tell what came of it"
                self.notify(told, markup=False, timeout=4)

        self.controller.do(job, done, writes=True)

    # -- nodes ------------------------------------------------------------------------------

    @on(NodeLoad.Asked)
    def _node_asked(self, message: NodeLoad.Asked) -> None:
        node = message.node
        if message.what == "ranks":
            self.grid.select_node(node.name)
            self.action_pane("ranks")
        elif message.what == "details":
            self._open_details(node)
        elif message.what == "shell":
            self._open_shell(node)
        else:
            self.logs.show_node(self.logs.active, node, message.what.removesuffix("-log"))
            self.action_pane("log")

    def _open_details(self, node: NodeView) -> None:
        """Show what is known of a node; it is kept up to date as long as it is seen."""
        from tui.screens.page import PageScreen

        page = PageScreen("node")
        self._details = (page, node.name)
        self._tell_details()

        def closed(_: None) -> None:
            self._details = None

        self.app.push_screen(page, closed)

    def _tell_details(self) -> None:
        """Show in the details what is known of their node now."""
        from tui.node_gpus import node_lines
        from tui.node_past import past_lines

        if self._details is None or self.facts is None:
            return
        page, name = self._details
        snapshot = self.facts.snapshot
        node = next((node for node in snapshot.nodes if node.name == name), None)
        if node is not None:
            ranks = [rank for rank in snapshot.ranks if rank.node == name]
            ended, past = snapshot.run.state.final, self.pasts.get(name)
            lines = node_lines(node, ranks, self.now(), ended=ended)
            more = [(), *past_lines(past)] if past is not None else []
            page.show((*lines, *more))
            self.ask_pasts(snapshot, self.now(), (name,))

    def pasts_changed(self) -> None:
        """Show what nodes did over the run, in the table and in the details."""
        if self.facts is not None:
            self.nodes.show(node_rows(self.facts.snapshot, self.pasts), self.now())
            self._tell_details()

    def _open_shell(self, node: NodeView) -> None:
        """Work out how to get there in the background, then lend the terminal to it."""
        run = RunDir(self.controller.store.runs_dir / self.run_id)
        name = node.name

        def ask() -> tuple[str, ...] | None:
            from rankdeck.run.shell import shell_command

            return shell_command(run, name)

        def heard(argv: tuple[str, ...] | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif argv is None:
                self.notify(f"no way to open a shell on {safe(name)}", markup=False)
            elif self.on_top:
                self._lend_terminal(argv)

        # a shell can change anything
        self.controller.do(ask, heard, writes=True)

    def _lend_terminal(self, argv: tuple[str, ...]) -> None:
        import subprocess

        from textual.app import SuspendNotSupported

        from tui.outside import lent_terminal

        try:
            with lent_terminal(self.app):
                print(f"rankdeck: {' '.join(argv)}  (its end brings the deck back)", flush=True)
                try:
                    subprocess.run(argv, check=False)
                except OSError as error:
                    told = f"{argv[0]}: {error.strerror}"
                    self.notify(safe(told), severity="error", markup=False)
        except SuspendNotSupported:
            self.notify("this terminal cannot be lent to a shell", markup=False)
        self.refresh(layout=True)

    # -- events and failure -----------------------------------------------------------------

    @on(EventsPane.FilterAsked)
    def _ask_filter(self) -> None:
        def typed(words: str | None) -> None:
            if words is not None:
                self.events_pane.filter(words, self.now())

        self.prompt.ask("words that events contain; !word: do not", self.events_pane.words, typed)

    @on(RowTable.Opened)
    def _open_event(self) -> None:
        event = self.events_pane.selected
        if event is None or self.facts is None:
            return
        snapshot = self.facts.snapshot
        if event.rank is not None and event.rank < len(snapshot.ranks):
            self.grid.selected = event.rank
            rank = snapshot.ranks[event.rank]
            self.logs.show_rank(self.logs.active, rank, snapshot.run.attempt)
        elif event.node is not None:
            node = next((n for n in snapshot.nodes if n.name == event.node), None)
            if node is None:
                return
            self.logs.show_node(self.logs.active, node, "launcher")
        else:
            self.notify("this event is about no rank and no node", markup=False, timeout=3)
            return
        self.action_pane("log")
        self.logs.pane.goto_time(event.t)

    @on(FailureCard.LogAsked)
    def _open_culprit(self) -> None:
        if self.facts is None:
            return
        snapshot = self.facts.snapshot
        failure = snapshot.run.failure
        if failure is None:
            self._open_suspect(snapshot)
            return
        if failure.rank is not None and failure.rank < len(snapshot.ranks):
            self.grid.selected = failure.rank
            rank = snapshot.ranks[failure.rank]
            self.logs.show_rank(self.logs.active, rank, snapshot.run.attempt)
        else:
            node = next((n for n in snapshot.nodes if n.name == failure.node), None)
            if node is not None:
                self.logs.show_node(self.logs.active, node, "launcher")
        self.action_pane("log")
        if failure.evidence:
            self.logs.pane.goto_text(failure.evidence[-1].strip())

    def _open_suspect(self, snapshot: RunSnapshot) -> None:
        """Show the log of the rank that the others seem to wait for."""
        suspects = self.hang.suspects if self.hang is not None else ()
        if suspects and suspects[0].rank < len(snapshot.ranks):
            self.grid.selected = suspects[0].rank
            rank = snapshot.ranks[suspects[0].rank]
            self.logs.show_rank(self.logs.active, rank, snapshot.run.attempt)
        self.action_pane("log")

    @on(FailureCard.CopyAsked)
    def _copy_failure(self, message: FailureCard.CopyAsked) -> None:
        self.deck.copy(message.text, "the failure")
