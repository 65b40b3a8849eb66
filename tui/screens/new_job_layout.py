"""How the form is laid out at each size: the preview beside the fields, all parts at once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.geometry import Size

_BESIDE = 120
"""From this width on, the preview stands beside the fields."""
_ROOMY = 160
"""From this width on, there is room for every field's help all the same."""
_HIGH = 45
"""From this height on, where there is room, all parts are seen at once."""

CSS = """
NewJobScreen ToastRack { margin-bottom: 4; }
NewJobScreen #parts, NewJobScreen #offer { background: $boost; }
NewJobScreen #offer { display: none; }
NewJobScreen.-offer #offer { display: block; }
NewJobScreen #body { height: 1fr; padding: 1 0 0 0; }
NewJobScreen #form { width: 1fr; height: 1fr; padding: 0 1; }
NewJobScreen #form > VerticalScroll { height: 1fr; display: none; scrollbar-size-vertical: 1; }
NewJobScreen #form > .-seen { display: block; }
NewJobScreen #preview { display: none; width: 1fr; }
NewJobScreen #declared { margin-bottom: 1; }
NewJobScreen #declared-in { color: $text-muted; height: auto; }
NewJobScreen #options-of { color: $text-muted; height: auto; margin-top: 1; }
NewJobScreen.-beside #form { width: 11fr; }
NewJobScreen.-beside #preview { display: block; width: 9fr; border-left: vkey $panel; }
NewJobScreen.-all #form { width: 13fr; overflow-y: auto; }
NewJobScreen.-all #preview { width: 7fr; }
NewJobScreen.-all #form > VerticalScroll {
    display: block; height: auto; margin-bottom: 1; padding: 0;
    border-top: solid $panel; border-title-color: $text-muted;
}
NewJobScreen.-all #form > .-seen { border-title-color: $text-accent; }
NewJobScreen.-tight FormField.-idle > .note { display: none; }
NewJobScreen.-planning #form { display: none; }
NewJobScreen.-planning #preview { display: block; width: 1fr; border: none; }
"""


def classes_of(size: Size, *, planning: bool) -> dict[str, bool]:
    """The screen's classes at a size; `planning`: the preview is what is worked with."""
    roomy = size.width >= _ROOMY
    return {
        "-beside": size.width >= _BESIDE,
        "-tight": size.width >= _BESIDE and not roomy,
        "-all": roomy and size.height >= _HIGH,
        "-planning": planning,
    }
