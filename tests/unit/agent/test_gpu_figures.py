"""GPU figures: what lines mean, how long they are fresh, which GPU is a rank's, AMD's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.agent.gpu_amd import AmdGpus
from rankdeck.agent.gpu_feed import wanted_source
from rankdeck.agent.gpu_figures import STALE, GpuFigures
from rankdeck.agent.gpu_lines import Device, read_device
from rankdeck.agent.gpu_map import gpu_of, visible
from rankdeck.run.node_state import GpuLoad

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.0
GIB = 1 << 30
SMI = "3, GPU-9f1c, NVIDIA H100 80GB HBM3, 97, 71234, 81559, 64, 612.34, 0"


def load_of(figures: GpuFigures, tick: float, *, asked: bool = True) -> GpuLoad | None:
    return msgspec.convert(figures.record(tick, asked), GpuLoad | None)


def heard(*lines: str, tick: float = 100.0) -> GpuFigures:
    figures = GpuFigures()
    figures.since = tick
    for line in lines:
        figures.take(line, NOW, tick)
    return figures


def devices(count: int, pids: dict[int, tuple[int, ...]] | None = None) -> list[Device]:
    made = [Device(index, f"GPU-{index:04x}-ab") for index in range(count)]
    for index, found in (pids or {}).items():
        made[index].pids = found
    return made


def test_a_line_of_nvidia_smi() -> None:
    load = load_of(heard("# source nvidia-smi", SMI), 101.0)
    assert load is not None
    assert (load.source, load.model, load.heard) == ("nvidia-smi", "NVIDIA H100 80GB HBM3", NOW)
    (device,) = load.devices
    assert (device.index, device.util, device.temp, device.power) == (3, 97, 64, 612)
    assert (device.mem_used, device.mem_total) == (71234 << 20, 81559 << 20)
    assert (device.ecc_errors, device.error) == (None, "")


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ("[N/A], [N/A], [N/A], [N/A], [N/A], [N/A]", ""),
        ("[Not Supported], [N/A], 81559, , nan, -1", ""),
        ("[GPU is lost], [GPU is lost], 81559, [GPU is lost], [N/A], [N/A]", "GPU is lost"),
        ("[Unknown Error], 1, 81559, 40, 70, 0", "Unknown Error"),
    ],
)
def test_what_a_driver_does_not_tell_is_no_zero(columns: str, error: str) -> None:
    device = read_device(f"0, GPU-1, Tesla T4, {columns}")
    assert device is not None
    assert device.util is None
    assert device.error == error


@pytest.mark.parametrize(
    "line",
    [
        "",
        "No devices were found",
        "0, GPU-1, T4",
        "-1, a, b, 1, 2, 3, 4, 5, 6",
        "Unable to determine the device handle for GPU 0000:3B:00.0: Unknown Error",
        "# asks 1",
        "\x1b[31m, , , , , , , , ",
    ],
)
def test_other_lines_are_no_gpu(line: str) -> None:
    assert read_device(line) is None


def test_a_line_of_ours_comes_back_as_it_was() -> None:
    device = Device(1, "GPU-2")
    device.name, device.util, device.mem_used, device.mem_total = "H100", 3.0, 5 << 20, 80 * GIB
    device.throttle, device.xid, device.pids, device.ecc_errors = "thermal", 79, (12, 4242), 2
    device.error = "lost, or so"
    again = read_device(device.line())
    assert again is not None
    device.error = "lost; or so"
    assert vars(again) == vars(device)


def test_figures_are_told_for_as_long_as_they_are_fresh() -> None:
    figures = heard("# source nvml", SMI, "# asks 4")
    load = load_of(figures, 100.0 + STALE)
    assert load is not None
    assert not load.silent
    assert load.devices[0].util == 97
    load = load_of(figures, 100.1 + STALE)
    assert load is not None
    assert (load.silent, load.heard) == (True, NOW)
    assert load.problem == "the driver does not answer at GPU 4"
    assert (load.devices[0].util, load.devices[0].mem_used, load.devices[0].temp) == (None,) * 3
    assert load.devices[0].mem_total == 81559 << 20


def test_one_gpu_of_many_that_is_told_no_more_has_no_figures_either() -> None:
    figures = heard(SMI, SMI.replace("3,", "4,", 1))
    figures.take(SMI, NOW + 20, 120.0)
    load = load_of(figures, 121.0)
    assert load is not None
    assert not load.silent
    assert [device.util for device in load.devices] == [97, None]


def test_faults_that_were_seen_stay_when_the_driver_falls_silent() -> None:
    line = "0, GPU-1, H100, 1, 2, 3, 40, 50, 7, , 79, GPU is lost, "
    load = load_of(heard(line), 200.0)
    assert load is not None
    (device,) = load.devices
    assert (device.ecc_errors, device.xid, device.error) == (7, 79, "GPU is lost")


def test_nothing_is_told_before_anything_is_known() -> None:
    figures = heard()
    assert figures.record(105.0, asked=True) is None
    load = load_of(figures, 111.0)
    assert load is not None
    assert (load.silent, load.problem, load.devices) == (True, "the driver does not answer", ())
    figures.take("# none", NOW, 112.0)
    assert figures.record(113.0, asked=False) is None


def test_what_a_sampler_says_last_is_told_and_what_it_says_between_is_forgotten() -> None:
    figures = heard("NVML: Driver Not Loaded")
    load = load_of(figures, 500.0, asked=False)
    assert load is not None
    assert (load.silent, load.problem) == (True, "NVML: Driver Not Loaded")
    figures.take(SMI, NOW, 510.0)
    load = load_of(figures, 511.0)
    assert load is not None
    assert load.problem == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1", [0, 1]),
        ("3, 2", [3, 2]),
        ("GPU-0002,GPU-0000-ab", [2, 0]),
        ("MIG-GPU-0003-ab/1/0", [3]),
        ("2,7,1", [2]),
        ("1,-1,2", [1]),
        ("1,1", []),
        ("GPU-00", []),
        ("MIG-8f1c", []),
        ("NoDevFiles", []),
        ("", []),
    ],
)
def test_the_list_of_visible_devices(text: str, expected: list[int]) -> None:
    assert [device.index for device in visible(text, devices(4))] == expected


@pytest.mark.parametrize(
    ("local_rank", "environ", "expected"),
    [
        (2, {}, 2),
        (4, {}, None),
        (1, {"CUDA_VISIBLE_DEVICES": "3,2"}, 2),
        (3, {"CUDA_VISIBLE_DEVICES": "1"}, 1),
        (2, {"CUDA_VISIBLE_DEVICES": "3,2"}, None),
        (0, {"CUDA_VISIBLE_DEVICES": ""}, None),
        (1, {"HIP_VISIBLE_DEVICES": "3,2"}, 1),
    ],
)
def test_the_gpu_of_a_rank(local_rank: int, environ: dict[str, str], expected: int | None) -> None:
    assert gpu_of(7, local_rank, environ, devices(4), "nvml") == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HIP_VISIBLE_DEVICES": "3,2"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "3,1"}, 1),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, 3),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1,0"}, 2),
        ({"HIP_VISIBLE_DEVICES": "0,1", "CUDA_VISIBLE_DEVICES": "3,2"}, 1),
    ],
)
def test_rocm_has_two_filters(environ: dict[str, str], expected: int) -> None:
    assert gpu_of(7, 1, environ, devices(4), "amdgpu") == expected


def test_what_the_driver_says_of_a_process_counts_more_than_its_variables() -> None:
    only = {"CUDA_VISIBLE_DEVICES": "0"}  # as each task of a scheduler's step sees it
    assert gpu_of(7, 0, only, devices(4, {3: (7,)}), "nvml") == 3
    # a context on the first GPU besides is no sign
    assert gpu_of(7, 2, {}, devices(4, {0: (6, 7), 2: (7,)}), "nvml") == 2
    assert gpu_of(7, 1, {}, devices(4, {0: (7,), 2: (7,)}), "nvml") is None


def amd_card(sysfs: Path, card: int, place: str, **files: str) -> None:
    folder = sysfs / "devices" / place
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    entry = sysfs / "class" / "drm" / f"card{card}"
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(folder)


def test_the_files_of_amd(tmp_path: Path) -> None:
    amd_card(
        tmp_path,
        1,
        "0000:c1:00.0",
        gpu_busy_percent="88",
        unique_id="5be7",
        mem_info_vram_used=str(60 * GIB),
        mem_info_vram_total=str(64 * GIB),
        hwmon__hwmon4__temp1_input="71000",
        hwmon__hwmon4__power1_average="431000000",
    )
    amd_card(tmp_path, 2, "0000:05:00.0", gpu_busy_percent="0", product_name="Instinct, MI300X")
    amd_card(tmp_path, 3, "0000:06:00.0", gpu_busy_percent="")
    amd_card(tmp_path, 0, "0000:00:02.0", vendor="0x8086")  # no GPU of AMD
    gpus = AmdGpus(str(tmp_path))
    assert len(gpus) == 3
    first, broken, last = (gpus.ask(index) for index in range(3))
    assert (first.index, first.util, first.name) == (0, 0, "Instinct  MI300X")
    assert (first.temp, first.power, first.mem_used, first.uuid) == (None, None, None, "")
    assert (broken.util, broken.error) == (None, "no figures")
    assert (last.util, last.temp, last.power, last.uuid) == (88, 71, 431, "GPU-5be7")
    assert (last.mem_used, last.mem_total) == (60 * GIB, 64 * GIB)
    assert len(AmdGpus(str(tmp_path / "nothing"))) == 0


@pytest.mark.parametrize(("word", "source"), [("off", ""), ("nvidia-smi", "nvidia-smi")])
def test_sampling_can_be_turned_off_or_told_where_from(
    monkeypatch: pytest.MonkeyPatch, word: str, source: str
) -> None:
    monkeypatch.setenv("RANKDECK_GPUS", word)
    assert wanted_source() == source
