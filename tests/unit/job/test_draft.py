from __future__ import annotations

from rankdeck.job.draft import JobDraft, Source


def test_what_is_said_later_wins_and_the_rest_stays() -> None:
    base = JobDraft(name="a", nproc_per_node="2", args=("x",), hooks=False)
    merged = base.merged(JobDraft(nproc_per_node=4, args=(), hooks=None))
    assert (merged.name, merged.nproc_per_node, merged.args) == ("a", 4, ("x",))
    assert merged.hooks is False


def test_mappings_merge_by_key() -> None:
    base = JobDraft(env={"A": "1", "B": "2"})
    assert base.merged(JobDraft(env={"B": "3"})).env == {"A": "1", "B": "3"}
    assert JobDraft().merged(base).env == base.env


def test_an_overridden_value_is_no_longer_from_the_file() -> None:
    line = Source(file="job.yaml", line=3, key="lr")
    base = JobDraft(
        name="a", hyperparameters={"lr": "1"}, sources={"hyperparameters.lr": line, "name": line}
    )
    merged = base.merged(JobDraft(hyperparameters={"lr": "2"}))
    assert merged.source("name") == line
    assert merged.source("hyperparameters.lr") == Source(key="--set lr")


def test_the_options_of_one_backend_go_when_another_is_chosen() -> None:
    place = {"backend_options.queue": Source(file="job.yaml", line=3, key="backend_options.queue")}
    base = JobDraft(backend="slurm", backend_options={"queue": "day"}, sources=place)
    other = base.merged(JobDraft(backend="ssh", backend_options={"sync": "true"}))
    assert (other.backend, other.backend_options) == ("ssh", {"sync": "true"})
    assert other.sources == {}
    same = base.merged(JobDraft(backend="slurm", backend_options={"width": "1"}))
    assert same.backend_options == {"queue": "day", "width": "1"}
    named = JobDraft(backend_options={"queue": "day"}).merged(JobDraft(backend="slurm"))
    assert named.backend_options == {"queue": "day"}


def test_a_host_list_replaces_a_hostfile_and_the_other_way_round() -> None:
    base = JobDraft(hostfile="/h")
    assert base.merged(JobDraft(host="a,b")).hostfile is None
    assert JobDraft(host="a").merged(base).host is None
