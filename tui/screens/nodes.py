"""The nodes there are: what each has, who uses it, and which of them a job is to run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from rankdeck.job.draft import JobDraft
from rankdeck.nodes.names import fold_names
from rankdeck.nodes.notes import note_text, read_note
from rankdeck.text import shown
from tui.controller import RunsChanged
from tui.filter_grammar import Filter
from tui.keys import Scope, bindings, keys_of
from tui.looks import Piece, safe, wrap
from tui.node_choice import NodeChoice, read_flags
from tui.node_details import counts_text, expression_line, remark_line, source_lines
from tui.node_prompts import NodePrompt, read_names, read_source, source_text
from tui.node_rows import NodeRow, node_text, parse_node_filter, uses_of
from tui.node_survey import NodeAnswered, NodeSurvey
from tui.screens.base import DeckScreen
from tui.widgets.bars import KeyBar, LineBar, TitleBar
from tui.widgets.node_table import NodeTable, sort_nodes
from tui.widgets.prompt_line import PromptLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from rankdeck.nodes.expressions import NodeExpression

_REFRESH = 0.15
_NAMED = 120
"""Cells for the names of nodes in a notice."""


class NodesScreen(DeckScreen):
    """Lists nodes, and makes the expression that chooses among them."""

    BINDINGS = bindings(Scope.NODES)
    SCOPES = (Scope.NODES, Scope.TABLE, Scope.EVERYWHERE)
    DEFAULT_CSS = """
    NodesScreen ToastRack { margin-bottom: 5; }
    NodesScreen #source { background: $boost; }
    NodesScreen #expression { background: $boost; }
    """

    def __init__(
        self, draft: JobDraft | None = None, *, picked: Callable[[str, str], None] | None = None
    ) -> None:
        """Show the nodes of a job.

        Args:
            draft: Names a backend, hosts or a project, and what is chosen so far; None: whatever
                is found from here.
            picked: Gets the `include` and `exclude` that were chosen; None: nobody wants them.
        """
        super().__init__()
        self._draft = draft or JobDraft()
        self._picked = picked
        self._choice = NodeChoice()
        self._rows: tuple[NodeRow, ...] = ()
        self._filter: Filter[NodeRow] = Filter()
        self._filter_text = ""
        self._prompt = NodePrompt.FILTER
        self._before: NodeExpression | None = None

    def compose(self) -> ComposeResult:
        """Title, where they come from, table, expression, prompt, keys."""
        yield TitleBar()
        yield LineBar(id="source")
        yield NodeTable()
        yield LineBar(id="about-node")
        yield LineBar(id="expression")
        yield PromptLine()
        yield KeyBar(keys_of(Scope.NODES, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Look for nodes at once."""
        self._survey = NodeSurvey(self.controller, self, self.deck.tell)
        self.query_one(NodeTable).focus()
        self.set_interval(_REFRESH, self._refresh)
        self._look()

    def on_screen_resume(self) -> None:
        """Our runs tell who uses a node, and what went wrong there."""
        self.controller.watch_runs(self)

    def on_unmount(self) -> None:
        """Ask no more."""
        self._survey.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What enter does depends on whether somebody waits for the choice."""
        if action == ("open" if self._picked is not None else "take"):
            return False
        return super().check_action(action, parameters)

    @property
    def useless(self) -> frozenset[str]:
        """Where nodes are picked for a job, that job is the one."""
        return frozenset(() if self._picked is None else ("new_job",))

    # -- what is known ----------------------------------------------------------------------

    def _look(self) -> None:
        self._survey.look(self._draft, self._found)
        self._show()

    def _found(self) -> None:
        if not self.is_there:
            return
        census = self._survey.census
        if census is not None:
            self._choice = NodeChoice(tuple(listed.node for listed in census.listed))
            try:
                self._choice.read(self._draft.include or "", self._draft.exclude or "")
            except ValueError as error:
                self.notify(safe(str(error)), severity="warning", markup=False)
        self._show()

    @on(RunsChanged)
    def _heard_of_runs(self, message: RunsChanged) -> None:
        self._survey.uses = uses_of(message.runs)
        self._survey.changed = True

    @on(NodeAnswered)
    def _answered(self, message: NodeAnswered) -> None:
        self._survey.heard(message)

    def action_ask(self) -> None:
        """Ask every node what it has."""
        census = self._survey.census
        if census is not None and census.silence:
            self.notify(safe(census.silence), severity="warning", markup=False)
        else:
            self._survey.ask(bidden=True)

    def _refresh(self) -> None:
        if self._survey.changed and self.on_top:
            self._show()

    # -- what is seen -----------------------------------------------------------------------

    def _show(self) -> None:
        table, now = self.query_one(NodeTable), self.now()
        self._rows = self._survey.rows(self._choice, now)
        matches = self._filter.matches
        rows = self._rows
        if self._filter.tests:
            rows = tuple(row for row in rows if matches(row, now, node_text(row, now)))
        column, falls = table.sorting
        table.show(sort_nodes(rows, column, falls=falls), now)
        self._show_lines(len(rows))

    def _show_lines(self, shown: int) -> None:
        left: list[Piece] = [("rankdeck", "bold"), (" ▸ nodes", "")]
        if self._filter.tests:
            left.append((f"  /{safe(self._filter_text)}", "key"))
            left.append((f"  {shown} of {len(self._rows)} shown", "warning"))
        if marked := len(self.query_one(NodeTable).marked):
            left.append((f"  {marked} marked", "warning"))
        counts = counts_text(self._survey, self._rows, len(self._choice.selection))
        self.query_one(TitleBar).show_parts(tuple(left), ((counts, "dim"),))
        room = max(20, self.size.width - 1)
        self.query_one("#source", LineBar).show(*source_lines(self._survey, room))
        self.query_one("#expression", LineBar).show(expression_line(self._survey, self._choice))
        self._show_about()

    @on(NodeTable.Moved)
    def _show_about(self) -> None:
        """Say in full what the row has no room for."""
        row = self.query_one(NodeTable).selected
        told = () if row is None else wrap(remark_line(row, self.now()), self.size.width - 1)
        self.query_one("#about-node", LineBar).show(*told[:2])

    @on(NodeTable.Sorted)
    def _sorted(self) -> None:
        self._show()

    @on(NodeTable.Marked)
    def _marked(self) -> None:
        self._show_lines(len(self.query_one(NodeTable).rows))

    # -- choosing ---------------------------------------------------------------------------

    @property
    def _chosen_names(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.query_one(NodeTable).chosen)

    def _chose(self) -> None:
        self.query_one(NodeTable).mark(frozenset())
        self._show()

    def action_include(self) -> None:
        """Choose the marked nodes, or the one under the cursor."""
        self._choice.take(self._chosen_names)
        self._chose()

    def action_exclude(self) -> None:
        """Leave them out."""
        self._choice.drop(self._chosen_names)
        self._chose()

    def action_include_all(self) -> None:
        """Choose every node."""
        self._choice.take(self._choice.names)
        self._chose()

    def action_invert(self) -> None:
        """Choose those that are not chosen."""
        selection = self._choice.selection
        self._choice.only(name for name in self._choice.names if name not in selection)
        self._chose()

    def action_leave_bad(self) -> None:
        """Leave out every node that cannot be used or is to be avoided."""
        bad = [row.name for row in self._rows if row.bad and row.chosen is not None]
        self._choice.drop(bad)
        self._chose()
        told = f"left out: {fold_names(bad)}" if bad else "every chosen node is usable"
        self.notify(shown(told, _NAMED), timeout=4, markup=False)

    # -- lines that are typed ---------------------------------------------------------------

    def action_filter(self) -> None:
        """Begin to type a filter, or to change the one there is."""
        self._open(NodePrompt.FILTER, self._filter_text)

    def action_mark_named(self) -> None:
        """Mark nodes by a range."""
        self._open(NodePrompt.RANGE)

    def action_edit(self) -> None:
        """Edit the expression."""
        self._before = self._choice.expression
        self._open(NodePrompt.EXPRESSION, self._before.flags if self._before else "")

    def action_note(self) -> None:
        """Note something of a node."""
        if rows := self.query_one(NodeTable).chosen:
            note = rows[0].note
            self._open(NodePrompt.NOTE, "" if note is None else note_text(note, self.now()))

    def action_slots(self) -> None:
        """Choose only some slots of a node."""
        if self._chosen_names:
            self._open(NodePrompt.SLOTS)

    def action_source(self) -> None:
        """Look elsewhere for nodes."""
        self._open(NodePrompt.SOURCE, source_text(self._draft))

    def _open(self, prompt: NodePrompt, text: str = "") -> None:
        if self._survey.census is None and prompt is not NodePrompt.SOURCE:
            self.notify("there are no nodes yet: b looks elsewhere", timeout=4, markup=False)
            return
        self._prompt = prompt
        self.query_one(PromptLine).open(prompt.label, safe(text), prompt.hint)

    @on(PromptLine.Changed)
    def _typed(self, message: PromptLine.Changed) -> None:
        """Do at once what can be taken back; say what is wrong."""
        line = self.query_one(PromptLine)
        try:
            line.say(self._try(message.text))
        except ValueError as error:
            line.say(str(error), wrong=True)

    def _try(self, text: str) -> str:
        if self._prompt is NodePrompt.FILTER:
            self._filter = parse_node_filter(text)
            self._filter_text = text.strip()
            self._show()
            return f"{len(self.query_one(NodeTable).rows)} of {len(self._rows)}"
        if self._prompt is NodePrompt.RANGE:
            return f"{len(read_names(text, self._choice.names))} nodes" if text.strip() else ""
        if self._prompt is NodePrompt.EXPRESSION:
            self._choice.read(*read_flags(text))
            self._show()
            return f"{len(self._choice.selection)} of {len(self._rows)}"
        if self._prompt is NodePrompt.NOTE:
            note = read_note(text, self.now())
            return "jobs keep off it" if note.avoid else ""
        if self._prompt is NodePrompt.SOURCE:
            read_source(text, self._draft)
        return ""

    @on(PromptLine.Given)
    def _given(self, message: PromptLine.Given) -> None:
        line = self.query_one(PromptLine)
        try:
            self._carry_out(message.text)
        except ValueError as error:
            line.say(str(error), wrong=True)
            return
        line.close()
        self.query_one(NodeTable).focus()

    def _carry_out(self, text: str) -> None:
        if self._prompt in (NodePrompt.FILTER, NodePrompt.EXPRESSION):
            self._try(text)
        elif self._prompt is NodePrompt.RANGE:
            if text.strip():
                names = read_names(text, self._choice.names)
                self._filter, self._filter_text = Filter(), ""
                self._show()
                self.query_one(NodeTable).mark(frozenset(names))
                self.query_one(NodeTable).select(names[0])
        elif self._prompt is NodePrompt.SLOTS:
            self._choice.limit(self._chosen_names, text)
            self._chose()
        elif self._prompt is NodePrompt.NOTE:
            note = read_note(text, self.now()) if text.strip() else None
            self._survey.note(self._chosen_names, note, self._noted)
        else:
            self._draft = read_source(text, self._draft)
            self._look()

    def _noted(self) -> None:
        if self.is_there:
            self._chose()

    # -- what comes of it -------------------------------------------------------------------

    @on(NodeTable.Opened)
    def action_open(self) -> None:
        """Show what is known of the node, or take the choice where it is wanted."""
        if self._picked is None:
            self.action_details()
        else:
            self.action_take()

    def action_take(self) -> None:
        """Give the choice to whoever wants it."""
        expression = self._choice.expression
        if expression is None or self._survey.census is None or self._picked is None:
            self.notify("nothing is chosen", severity="warning", markup=False)
            return
        self._picked(expression.include, expression.exclude)
        self.dismiss()

    def action_details(self) -> None:
        """Show what is known of the node under the cursor."""
        row = self.query_one(NodeTable).selected
        if row is not None:
            from tui.node_details import node_lines
            from tui.screens.page import PageScreen

            self.deck.push_screen(PageScreen("node", node_lines(row, self.now())))

    def action_new_job(self) -> None:
        """Describe a job on the chosen nodes."""
        from tui.screens.new_job import NewJobScreen

        if self._picked is not None:
            self.action_take()
            return
        expression = self._choice.expression
        if expression is None:
            self.notify("nothing is chosen", severity="warning", markup=False)
            return
        census = self._survey.census
        backend = census.backend if census else self._draft.backend
        patch = JobDraft(
            backend=backend,
            hostfile=self._draft.hostfile,
            host=self._draft.host,
            include=expression.include or None,
            exclude=expression.exclude or None,
        )
        self.deck.push_screen(NewJobScreen(None, patch=patch))

    def action_copy_choice(self) -> None:
        """Copy the expression."""
        expression = self._choice.expression
        if expression is not None and expression.flags:
            self.deck.copy(expression.flags, "expression")
        else:
            self.notify("every node is chosen: there is nothing to say", timeout=4, markup=False)

    def action_back(self) -> None:
        """Close the line; show all nodes again; go back."""
        line = self.query_one(PromptLine)
        was_open = line.is_open
        if was_open:
            line.close()
            self.query_one(NodeTable).focus()
            if self._prompt is NodePrompt.EXPRESSION and self._before is not None:
                self._choice.read(self._before.include, self._before.exclude)
        if self._filter_text and (not was_open or self._prompt is NodePrompt.FILTER):
            self._filter, self._filter_text = Filter(), ""
        elif not was_open:
            self.dismiss()
            return
        self._show()
