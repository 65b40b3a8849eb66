"""The node-side agent: starts a node's ranks, watches them, ends them, and says what it sees.

Runs by the project's own interpreter: the standard library only, Python 3.8 syntax. It is bundled
into one file by `rankdeck.agent_bundle`. The rest of Rankdeck imports nothing of it, except what a
courier and its home must agree upon (`courier_frames`, `carry_names`, `courier_sync`).
"""
